package signers

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"sluice/engine"
)

const (
	// renewTimeout bounds one renewal, whoever waits for it.
	renewTimeout = 20 * time.Second
	// A credential is renewed in the background once it has less than renewEarly left, and requests wait for that below renewLate;
	// of one that lasts minutes, half and a quarter of its time.
	renewEarly = 120 * time.Second
	renewLate  = 30 * time.Second
	// After a failure, renewals wait: backOff, doubled with each failure that follows, up to maxBackOff.
	backOff    = 5 * time.Second
	maxBackOff = 5 * time.Minute
	// atOnce is for how long one that was accepted all the same counts as refused as soon as it was obtained.
	atOnce = 2 * time.Second
)

// waitAfter is the wait after the n-th failure in a row.
func waitAfter(n int) time.Duration {
	wait := backOff
	for i := 1; i < n && wait < maxBackOff; i++ {
		wait *= 2
	}
	return min(wait, maxBackOff)
}

// lease is a credential and how long it lasts. After others may see it nothing is written but what became of it; two are the same if their
// pointers are.
type lease[T any] struct {
	value    T
	obtained time.Time // zero: it came from the config
	renew    time.Time // from when a renewal runs in the background; zero: never
	late     time.Time // from when requests wait for it; zero: never
	expires  time.Time // zero: not known
	refusals int       // in a row, of those before it

	accepted atomic.Bool // by an answer
	spurned  atomic.Bool // it was refused too soon to be replaced
}

// accept notes that an answer accepted it. Only the first one writes what all requests read.
func (l *lease[T]) accept() {
	if !l.accepted.Load() {
		l.accepted.Store(true)
	}
}

// row is how many in a row were refused before it, when it is refused at an age: none where it worked for a while.
func (l *lease[T]) row(age time.Duration) int {
	worked := l.accepted.Load() && !l.spurned.Load() && age >= atOnce
	if worked || age > maxBackOff {
		return 0
	}
	return l.refusals
}

// newLease is for a value obtained now that lasts until expires, zero = not known.
func newLease[T any](value T, now, expires time.Time) *lease[T] {
	l := &lease[T]{value: value, obtained: now, expires: expires}
	if !expires.IsZero() {
		left := expires.Sub(now)
		l.renew, l.late = expires.Add(-min(renewEarly, left/2)), expires.Add(-min(renewLate, left/4))
	}
	return l
}

func (l *lease[T]) mustWait(now time.Time) bool { return !l.late.IsZero() && !now.Before(l.late) }
func (l *lease[T]) isStale(now time.Time) bool  { return !l.renew.IsZero() && !now.Before(l.renew) }
func (l *lease[T]) expired(now time.Time) bool  { return !l.expires.IsZero() && !now.Before(l.expires) }

// errReconnect is in the errors after which no renewal can succeed until a person connects the account anew.
var errReconnect = errors.New("reconnect required")

// fault is why the latest renewal failed.
type fault struct {
	err      error
	failures int       // in a row
	retry    time.Time // when the next renewal may begin
}

// renewer keeps one credential fresh for many goroutines: one renewal at a time, early if it can be, and none too soon after one that
// failed. It lives beside the generations. A renewal is nobody's request: it runs to its end even when all who waited have left.
type renewer[T any] struct {
	// fetch obtains what replaces used, which is nil for the first. It runs on a goroutine of its own, one call at a time.
	fetch func(ctx context.Context, used *lease[T]) (*lease[T], error)
	now   func() time.Time
	runs  *sync.WaitGroup // the renewals under way
	say   func(string)    // to the operator, about this credential

	held  atomic.Pointer[lease[T]] // nil = none yet
	fault atomic.Pointer[fault]    // nil = the latest renewal succeeded

	mu     sync.Mutex
	flight chan struct{} // closed when the renewal under way has ended, nil = none runs; guarded by mu
}

// get returns a credential that can be used now. An error is a *engine.SignerError, or that of ctx.
func (r *renewer[T]) get(ctx context.Context) (*lease[T], error) {
	l, now := r.held.Load(), r.now()
	if l != nil && !l.mustWait(now) {
		if l.isStale(now) {
			r.start(l, 0)
		}
		return l, nil
	}
	next, err := r.replace(ctx, l, 0)
	if err != nil && ctx.Err() == nil && l != nil && !l.expired(r.now()) {
		return l, nil // it works, if not for long
	}
	return next, err
}

// replace returns a credential other than used: the one that has taken its place, or that of a renewal which it starts or joins.
// refusals are those that led to it.
func (r *renewer[T]) replace(ctx context.Context, used *lease[T], refusals int) (*lease[T], error) {
	if done := r.start(used, refusals); done != nil {
		select {
		case <-done:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
	if l := r.held.Load(); l != used {
		return l, nil
	}
	return nil, r.failure()
}

// refused returns what may work where used was refused, or nil and what is to be done without. When new ones are refused as well, it obtains
// them less and less often.
func (r *renewer[T]) refused(ctx context.Context, used *lease[T]) (*lease[T], engine.RetryDecision) {
	now := r.now()
	refusals := used.row(now.Sub(used.obtained))
	again := used.obtained.Add(waitAfter(refusals))
	if r.held.Load() == used && refusals > 0 && now.Before(again) {
		if !used.spurned.Swap(true) {
			r.say("its credential was refused as soon as it was obtained, and is renewed again from " + again.UTC().Format(time.RFC3339) + " on")
		}
		return nil, engine.FailUntil(again)
	}
	next, err := r.replace(ctx, used, refusals+1)
	if err != nil {
		return nil, r.decision()
	}
	return next, engine.Fail
}

// start begins a renewal unless one runs, used has been replaced, or it is too soon. The channel closes when it has ended; nil = none
// runs.
func (r *renewer[T]) start(used *lease[T], refusals int) <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	f := r.fault.Load()
	blocked := f != nil && (errors.Is(f.err, errReconnect) || r.now().Before(f.retry))
	if r.flight == nil && r.held.Load() == used && !blocked {
		r.flight = make(chan struct{})
		r.runs.Add(1)
		go r.run(used, refusals)
	}
	return r.flight
}

func (r *renewer[T]) run(used *lease[T], refusals int) {
	defer r.runs.Done()
	ctx, cancel := context.WithTimeout(context.Background(), renewTimeout)
	defer cancel()
	next, err := r.fetch(ctx, used)
	if err == nil && next.expired(r.now()) {
		err = errors.New("what was obtained has expired already")
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	before := r.CredentialState()
	if err == nil {
		next.refusals = refusals
		r.held.Store(next)
		r.fault.Store(nil)
	} else {
		r.fault.Store(r.failed(err))
	}
	r.tell(before, r.CredentialState())
	close(r.flight)
	r.flight = nil
}

// tell says what has changed: not each failure of a row, but that it began, that nobody but a person can end it, and that it is over.
func (r *renewer[T]) tell(before, after engine.CredentialState) {
	switch {
	case after.Reconnect && !before.Reconnect:
		r.say(after.Error)
	case after.Error != "" && before.Error == "":
		r.say("its credential could not be renewed, and is tried again: " + after.Error)
	case after.Error == "" && before.Error != "":
		r.say("its credential was renewed")
	}
}

// failed is the fault after one more failure.
func (r *renewer[T]) failed(err error) *fault {
	n := 1
	if before := r.fault.Load(); before != nil {
		n += before.failures
	}
	return &fault{err, n, r.now().Add(waitAfter(n))}
}

// failure is the fault as a signer tells it.
func (r *renewer[T]) failure() error {
	f := r.fault.Load()
	switch {
	case f == nil: // it was mended between two looks
		return &engine.SignerError{Variant: engine.SignerExpiredToken, Reason: "the credential is being replaced"}
	case errors.Is(f.err, errReconnect):
		return &engine.SignerError{Variant: engine.SignerInvalidCredentials, Reason: f.err.Error(), Cause: f.err}
	}
	reason := fmt.Sprintf("%v; tried again from %s on", f.err, f.retry.UTC().Format(time.RFC3339))
	return &engine.SignerError{Variant: engine.SignerExpiredToken, Reason: reason, Cause: f.err}
}

// decision is what is to be done where a credential was refused and could not be renewed: wait for the next renewal, if there is to be one.
func (r *renewer[T]) decision() engine.RetryDecision {
	if f := r.fault.Load(); f != nil && !errors.Is(f.err, errReconnect) {
		return engine.FailUntil(f.retry)
	}
	return engine.Fail
}

// CredentialState tells of the latest renewal.
func (r *renewer[T]) CredentialState() engine.CredentialState {
	f := r.fault.Load()
	if f == nil {
		return engine.CredentialState{}
	}
	return engine.CredentialState{Reconnect: errors.Is(f.err, errReconnect), Error: f.err.Error()}
}
