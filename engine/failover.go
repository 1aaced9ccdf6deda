package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// search is the way of one request from upstream to upstream until one answers it. Nothing of an answer has reached the client yet.
type search struct {
	g         *Generation
	x         *Exchange
	transport Transport
	health    Health

	left  []UpstreamCandidate // kept, and not asked yet
	until time.Time           // after it no other upstream is asked, or waited for; zero = no bound
	sent  int                 // upstreams that the request went out to
	best  *Answer             // what the client sees if nobody does better, nil = nothing
	means Verdict             // of best
	last  error               // why the latest one gave nothing that it could see; a *Refusal
}

// run asks one upstream after the other.
func (s *search) run(ctx context.Context) (*Answer, error) {
	defer s.forget()
	for {
		u, d, visit, err := s.next(ctx)
		if err != nil {
			if s.last == nil {
				s.last = err
			}
			return s.end(ctx)
		}
		before := len(s.x.Trace.Attempts)
		answer, verdict, err := s.attempt(ctx, u, d, visit)
		if len(s.x.Trace.Attempts) > before {
			s.sent++
		}
		elsewhere := verdict.Elsewhere || answer != nil && slices.Contains(s.g.Retry.Statuses, answer.Status)
		if answer != nil && !elsewhere {
			return s.finish(answer)
		}
		s.left = without(s.left, u)
		s.keep(answer, verdict, err)
		if !elsewhere || !s.x.Request.mayRepeat(answer, err) || !s.mayGoOn(ctx) {
			return s.end(ctx)
		}
		s.look()
	}
}

// mayRepeat reports whether the request may go to another upstream after one that gave this answer, or none. A message leaves nothing
// behind but its cost; what a request makes in an account must not be made twice.
func (r *RequestContext) mayRepeat(a *Answer, err error) bool {
	var refusal *Refusal
	switch {
	case r.Method != "POST" || r.Path == "/v1/messages/count_tokens":
		return true
	case errors.Is(err, ErrBegun):
		return false
	case !AccountBound(r.Path) || errors.Is(err, ErrUnsent):
		return true
	case a != nil:
		return a.Status/100 == 4 || a.Status == 503 || a.Status == 529
	}
	return errors.As(err, &refusal) && refusal.Code != CodeUpstreamUnreachable && refusal.Code != CodeUpstreamTimeout // it was never sent
}

// mayGoOn reports whether another upstream may be asked.
func (s *search) mayGoOn(ctx context.Context) bool {
	return len(s.left) > 0 && ctx.Err() == nil && (s.g.Retry.Attempts == 0 || s.sent < s.g.Retry.Attempts) &&
		(s.until.IsZero() || time.Now().Before(s.until))
}

// next begins an attempt: it picks an upstream and takes a place there, which may mean to wait for one. An error is a *Refusal.
func (s *search) next(ctx context.Context) (*UpstreamSlot, *DialectSlot, Visit, error) {
	s.x.Request.Attempt++
	for open := s.left; ; {
		u, d, err := s.g.Pick(s.x, open)
		if err != nil {
			if refuses(err, CodeNoUpstreamAvailable) {
				break
			}
			return nil, nil, nil, err
		}
		if visit := s.health.Enter(s.x.account(u)); visit != nil {
			return u, d, visit, nil
		}
		if open = without(open, u); len(open) == 0 { // others were faster
			s.look()
			break
		}
	}
	return s.wait(ctx)
}

func refuses(err error, code Code) bool {
	var refusal *Refusal
	return errors.As(err, &refusal) && refusal.Code == code
}

// wait waits until one of those that are left takes a request: a full one that has a place, or one that cools when it may be asked again.
func (s *search) wait(ctx context.Context) (*UpstreamSlot, *DialectSlot, Visit, error) {
	if !s.until.IsZero() {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, s.until)
		defer cancel()
	}
	accounts := make([]Account, len(s.left))
	for i := range s.left {
		accounts[i] = s.x.account(s.g.slot(s.left[i].ID))
	}
	visit, i := s.health.Wait(ctx, accounts)
	if visit == nil {
		s.look()
		return nil, nil, nil, unavailable(s.left)
	}
	u, d, err := s.g.choose(s.x, s.left[i:i+1])
	if err != nil {
		visit.Leave()
	}
	return u, d, visit, err
}

// look sees how those that are left do now.
func (s *search) look() {
	left, now := slices.Clone(s.left), time.Now()
	for i := range left {
		a := s.x.account(s.g.slot(left[i].ID))
		left[i].Vitals = s.health.Look(&a, now)
	}
	s.left = left
}

func (s *search) vitals(u *UpstreamSlot) *Vitals {
	i := slices.IndexFunc(s.left, func(c UpstreamCandidate) bool { return c.ID == u.ID })
	return s.left[i].Vitals
}

// keep notes an attempt that is not the end. Of answers the one that tells the client most is kept; that our own credential was refused
// is nothing it should see.
func (s *search) keep(a *Answer, v Verdict, err error) {
	switch {
	case a == nil:
		s.last = err
	case v.Class == ClassCredential:
		a.Body.Close()
		cause := &UpstreamError{Variant: UpstreamUnauthorized, Status: a.Status}
		s.x.Trace.fail(InternalError{Stage: StageSigner, Kind: InternalUnavailable, Code: CodeSignerFailed, cause: cause,
			Message: fmt.Sprintf("upstream %q refused our credential", a.Upstream.Name)})
		s.last = &Refusal{Code: CodeUpstreamCredential, Message: fmt.Sprintf("upstream %q refused the gateway's credential", a.Upstream.Name), Cause: cause}
	case s.best != nil && !s.better(a, v):
		a.Body.Close()
	default:
		s.forget()
		s.best, s.means = a, v
	}
}

// better reports whether an answer tells the client more than the one that is kept. Of 429s that is the one that frees first, and of other
// equals the later one.
func (s *search) better(a *Answer, v Verdict) bool {
	was, is := rank(s.best.Status, s.means.Class), rank(a.Status, v.Class)
	if was == is && a.Status == 429 {
		return v.Cool.Until.Before(s.means.Cool.Until)
	}
	return is >= was
}

// rank orders what a client sees when all failed: what it can act on before what is one account's own affair.
func rank(status int, class FailureClass) int {
	switch {
	case status == 429:
		return 5
	case class == ClassModel:
		return 2
	case class == ClassBilling, class == ClassPermission:
		return 1
	case status/100 == 5, class.Broken(), class.Quota(): // of Bedrock, which has such 4xx
		return 3
	case status/100 == 4:
		return 4
	}
	return 0
}

// forget closes the answer that was kept.
func (s *search) forget() {
	if s.best != nil {
		s.best.Body.Close()
		s.best = nil
	}
}

// end is what the client sees when no upstream is left to ask.
func (s *search) end(ctx context.Context) (*Answer, error) {
	if ctx.Err() != nil {
		return nil, gone(context.Cause(ctx))
	}
	if s.best == nil {
		return nil, s.last
	}
	a := s.best
	s.best = nil
	s.x.Upstream = a.Upstream
	return s.finish(a)
}

// finish makes an answer ready for the client. An error is a *Refusal: it could not be translated.
func (s *search) finish(a *Answer) (*Answer, error) {
	if a.Status/100 != 2 {
		a.normalize(s.x)
		return a, nil
	}
	if err := a.transform(s.x, s.g.Limits.Body); err != nil {
		return nil, err
	}
	return a, nil
}

func without(c []UpstreamCandidate, u *UpstreamSlot) []UpstreamCandidate {
	out := make([]UpstreamCandidate, 0, len(c))
	for i := range c {
		if c[i].ID != u.ID {
			out = append(out, c[i])
		}
	}
	return out
}

// able are the candidates that take requests now: those that do not cool, or else those that may be asked all the same.
func able(kept []UpstreamCandidate) []UpstreamCandidate {
	if free := where(kept, func(v *Vitals) bool { return !v.closed() && v.Cooling.Class == "" }); len(free) > 0 {
		return free
	}
	return where(kept, func(v *Vitals) bool { return !v.closed() })
}

// where returns the candidates that f holds for. It is c itself where that is all of them.
func where(c []UpstreamCandidate, f func(*Vitals) bool) []UpstreamCandidate {
	n := 0
	for i := range c {
		if f(c[i].Vitals) {
			n++
		}
	}
	if n == len(c) {
		return c
	}
	out := make([]UpstreamCandidate, 0, n)
	for i := range c {
		if f(c[i].Vitals) {
			out = append(out, c[i])
		}
	}
	return out
}

// fullFor is after what time to ask an upstream again that is full, which nobody can tell.
const fullFor = time.Second

// unavailable is the refusal of a request whose upstreams all cool, are full or do not work. It tells when the first of them may be asked.
func unavailable(kept []UpstreamCandidate) *Refusal {
	r := &Refusal{Code: CodeNoUpstreamAvailable, Quota: true}
	var why []string
	dead := 0
	for i := range kept {
		wait, text := kept[i].busy()
		if r.RetryAfter == 0 || wait < r.RetryAfter {
			r.RetryAfter = wait
		}
		r.Quota = r.Quota && kept[i].Cooling.Class.Quota()
		if kept[i].Cooling.Class == ClassCredential {
			dead++
		}
		if len(why) < 8 {
			why = append(why, text)
		}
	}
	r.Message = "no upstream takes requests now: " + strings.Join(why, ", ")
	if dead == len(kept) {
		r.Code, r.Quota = CodeUpstreamCredential, false
		r.Message = "no upstream accepts the gateway's credential: " + strings.Join(why, ", ")
	}
	return r
}

// busy is how long an upstream takes no request, and why.
func (c *UpstreamCandidate) busy() (time.Duration, string) {
	switch {
	case c.Cooling.Class != "" && !c.Cooling.Soft:
		return max(c.Cooldown, time.Millisecond), fmt.Sprintf("%q cools (%s)", c.Name, c.Cooling.Class)
	case c.Reopens > 0:
		return c.Reopens, fmt.Sprintf("%q does not work", c.Name)
	}
	return fullFor, fmt.Sprintf("%q is full", c.Name)
}
