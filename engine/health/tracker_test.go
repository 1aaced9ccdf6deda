package health_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"sluice/engine"
	"sluice/engine/health"
)

// place is an account of an upstream that asks for model.
func place(u *engine.Upstream, model string) engine.Account {
	return engine.Account{Upstream: u, Model: model}
}

func named(name string) *engine.Upstream {
	return &engine.Upstream{ID: uuid.NewSHA1(uuid.NameSpaceURL, []byte(name)), Name: name, Kind: engine.KindAnthropicDirect,
		Breaker: engine.Breaker{Failures: 3, Within: 10 * time.Second, Open: 30 * time.Second}}
}

// looks is what a request for a model sees of an upstream now.
func looks(tr *health.Tracker, a engine.Account) engine.Vitals {
	return *tr.Look(&a, time.Now())
}

// answer lets one request to an account be answered, and reports whether it was let in.
func answer(tr *health.Tracker, a engine.Account, o engine.Outcome) bool {
	v := tr.Enter(a)
	if v == nil {
		return false
	}
	o.To, o.Now, o.Fresh = a, time.Now(), true
	v.Judge(&o)
	v.Leave()
	return true
}

func headed(status int, headers ...string) engine.Outcome {
	o := engine.Outcome{Status: status}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		o.Headers.Add(name, value)
	}
	return o
}

func TestALongerRestIsNotMadeShorterAndASuccessDoesNotEndIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr, a := health.NewTracker(nil), place(named("up"), "m")
		one, two := tr.Enter(a), tr.Enter(a) // both went out before the first refusal came
		three := tr.Enter(a)
		long, short, fine := headed(429, "retry-after: 60"), headed(429, "retry-after: 5"), headed(200)
		for _, v := range []struct {
			engine.Visit
			o *engine.Outcome
		}{{one, &long}, {two, &short}, {three, &fine}} {
			v.o.To, v.o.Now = a, time.Now()
			v.Judge(v.o)
			v.Leave()
		}
		if v := looks(tr, a); v.Cooldown != time.Minute || v.Healthy || v.Cooling.Class != engine.ClassThrottled {
			t.Errorf("%+v, want a minute's rest", v)
		}
		if tr.Enter(a) != nil {
			t.Error("it is asked while it cools")
		}
		time.Sleep(time.Minute)
		if v := looks(tr, a); v.Cooldown != 0 || !v.Healthy || !answer(tr, a, headed(200)) {
			t.Errorf("after it: %+v", v)
		}
	})
}

func TestASuccessEndsAnOverload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr, a := health.NewTracker(nil), place(named("up"), "m")
		answer(tr, a, headed(529))
		if v := looks(tr, a); v.Cooldown != time.Second || !v.Healthy || !v.Cooling.Soft {
			t.Errorf("%+v, want a soft rest", v)
		}
		if !answer(tr, a, headed(200)) || looks(tr, a).Cooldown != 0 {
			t.Error("a soft rest keeps requests away, or outlasts a success")
		}
	})
}

func TestARestThatIsMeantCountsBeforeALongerOneThatIsNot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr, a := health.NewTracker(nil), place(named("up"), "m")
		unknown := headed(404)
		unknown.Body = []byte(said("not_found_error", "model: m"))
		answer(tr, a, unknown)
		if v := looks(tr, a); !v.Cooling.Soft || v.Cooldown != 10*time.Minute {
			t.Errorf("%+v", v)
		}
		answer(tr, a, headed(429, "retry-after: 30"))
		if v := looks(tr, a); v.Cooling.Soft || v.Cooldown != 30*time.Second || tr.Enter(a) != nil {
			t.Errorf("%+v", v)
		}
		if v := looks(tr, place(a.Upstream, "other")); v.Cooldown != 30*time.Second {
			t.Errorf("another model: %+v", v)
		}
	})
}

func TestAWindowOfAModelFamilyCoolsThatFamilyAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr, u := health.NewTracker(nil), named("up")
		opus, sonnet := place(u, "claude-opus-4-5"), place(u, "claude-sonnet-4-5")
		answer(tr, opus, headed(429, "anthropic-ratelimit-unified-status: rejected", "anthropic-ratelimit-unified-representative-claim: seven_day_opus",
			fmt.Sprint("anthropic-ratelimit-unified-reset: ", time.Now().Add(time.Hour).Unix())))
		if v := looks(tr, opus); v.Healthy || v.Cooldown != time.Hour {
			t.Errorf("opus: %+v", v)
		}
		if v := looks(tr, sonnet); !v.Healthy || v.Cooldown != 0 || !answer(tr, sonnet, headed(200)) {
			t.Errorf("sonnet: %+v", v)
		}
		if tr.Enter(opus) != nil {
			t.Error("opus is asked")
		}
	})
}

// TestNamesThatClientsMakeUpEndNoRealRest: of rests there are only so many, and what nobody insists on goes first.
func TestNamesThatClientsMakeUpEndNoRealRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr, u := health.NewTracker(nil), named("up")
		opus := place(u, "claude-opus-4-5")
		answer(tr, opus, headed(429, "anthropic-ratelimit-unified-status: rejected", "anthropic-ratelimit-unified-representative-claim: seven_day_opus",
			fmt.Sprint("anthropic-ratelimit-unified-reset: ", time.Now().Add(5*time.Minute).Unix())))
		for i := range 100 {
			unknown := headed(404)
			unknown.Body = fmt.Appendf(nil, `{"error":{"type":"not_found_error","message":"model: m%d"}}`, i)
			answer(tr, place(u, fmt.Sprint("m", i)), unknown)
		}
		if v := looks(tr, opus); v.Healthy || v.Cooldown != 5*time.Minute {
			t.Errorf("opus: %+v", v)
		}
		if v := looks(tr, place(u, "m99")); v.Cooling.Class != engine.ClassModel {
			t.Errorf("the latest: %+v", v)
		}
	})
}

// TestACoolDownGoesByTheUpstreamsOwnName: whatever the request calls the model, it is the same one there.
func TestACoolDownGoesByTheUpstreamsOwnName(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr, u := health.NewTracker(nil), named("up")
		u.Models = map[string]string{"best": "claude-opus-4-5", "claude-opus-4-5": "claude-sonnet-4-5", "good": "claude-sonnet-4-5"}
		answer(tr, place(u, "best"), headed(429, "anthropic-ratelimit-unified-status: rejected",
			"anthropic-ratelimit-unified-representative-claim: seven_day_opus", fmt.Sprint("anthropic-ratelimit-unified-reset: ", time.Now().Add(time.Hour).Unix())))
		gone := headed(404)
		gone.Body = []byte(said("not_found_error", "model: claude-sonnet-4-5"))
		answer(tr, place(u, "good"), gone)
		f := func(asked string, class engine.FailureClass) {
			t.Helper()
			if got := looks(tr, place(u, asked)).Cooling.Class; got != class {
				t.Errorf("%s: %q, want %q", asked, got, class)
			}
		}
		f("best", engine.ClassExhausted)
		f("claude-opus-4-6", engine.ClassExhausted)
		f("claude-opus-4-5", engine.ClassModel)
		f("claude-sonnet-4-5", engine.ClassModel)
		f("claude-haiku-4-5", "")
	})
}

func TestADeadCredentialIsDeadForItsConfigOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr, old := health.NewTracker(nil), named("up")
		answer(tr, place(old, ""), headed(401))
		if tr.Enter(place(old, "")) != nil {
			t.Error("it is asked with the dead one")
		}
		if !answer(tr, place(named("up"), ""), headed(200)) {
			t.Error("the next config's is not tried")
		}
	})
}

func TestHealthIsKeptByClientWhereTheCredentialIsTheirs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr, a, b := health.NewTracker(nil), place(named("up"), ""), place(named("up"), "")
		a.Client, b.Client = [16]byte{1}, [16]byte{2}
		answer(tr, a, headed(429, "retry-after: 60", "anthropic-ratelimit-requests-limit: 5", "anthropic-ratelimit-requests-remaining: 0"))
		if tr.Enter(a) != nil || !answer(tr, b, headed(200)) {
			t.Error("one client's refusal is another's, or not its own")
		}
		if n := len(looks(tr, b).RateLimits); n != 0 {
			t.Errorf("%d limits of another", n)
		}
		for i := range 10_000 { // forgets some, and stays small
			b.Client = [16]byte{3, byte(i), byte(i >> 8)}
			answer(tr, b, headed(200))
		}
	})
}

func TestABreakerLetsOneProbeThrough(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log []string
		tr := health.NewTracker(func(format string, args ...any) { log = append(log, fmt.Sprintf(format, args...)) })
		a := place(named("up"), "")
		for range 5 {
			answer(tr, a, headed(429)) // no failure of what the breaker guards
			answer(tr, a, headed(529))
		}
		for range 3 {
			answer(tr, a, engine.Outcome{Err: errors.New("refused")})
		}
		if v := looks(tr, a); v.Breaker != "open" || v.Healthy || v.Reopens != 30*time.Second || tr.Enter(a) != nil {
			t.Fatalf("%+v", v)
		}
		time.Sleep(30 * time.Second)
		if v := looks(tr, a); v.Breaker != "half_open" || !v.Healthy {
			t.Errorf("%+v", v)
		}
		probe := tr.Enter(a)
		if probe == nil || tr.Enter(a) != nil {
			t.Fatal("want one probe and no other")
		}
		probe.Leave() // its client left: it told nothing
		if !answer(tr, a, engine.Outcome{Err: syscall.EMFILE}) {
			t.Fatal("no probe after one that told nothing")
		}
		if v := looks(tr, a); v.Breaker != "half_open" {
			t.Errorf("a probe that was not sent told something: %+v", v)
		}
		if probe = tr.Enter(a); probe == nil {
			t.Fatal("no probe after one that was not sent")
		}
		fine := headed(200)
		probe.Judge(&fine)
		if v := looks(tr, a); v.Breaker != "closed" || v.ErrorRate != 0 {
			t.Errorf("%+v", v)
		}
		probe.Leave()
		if v := looks(tr, a); v.InFlight != 0 {
			t.Errorf("%d in flight", v.InFlight)
		}
		want := "upstream up: breaker open for 30s: unreachable|upstream up: it works again: breaker closed"
		if got := strings.Join(log, "|"); got != want {
			t.Errorf("log %q, want %q", got, want)
		}
	})
}

func TestAnAnswerThatBreaksOffIsAFailureOnce(t *testing.T) {
	tr, u := health.NewTracker(nil), named("up")
	v := tr.Enter(place(u, ""))
	fine := headed(200)
	v.Judge(&fine)
	v.Broke()
	v.Broke()
	v.Leave()
	v.Leave()
	v.Broke()
	if got := looks(tr, place(u, "")); got.InFlight != 0 || got.ErrorRate != 1 || tr.Failures(u)["broke"] != 1 {
		t.Errorf("%+v, %v", got, tr.Failures(u))
	}
}

// begin is an answer that has begun.
func begin(t *testing.T, tr *health.Tracker, a engine.Account, status int) engine.Visit {
	t.Helper()
	v := tr.Enter(a)
	if v == nil {
		t.Fatal("the breaker is open already")
	}
	o := headed(status)
	o.Now = time.Now()
	v.Judge(&o)
	return v
}

func TestAnswersThatBreakOffInARowOpenTheBreaker(t *testing.T) {
	tr, u := health.NewTracker(nil), named("up")
	u.Breaker = engine.Breaker{Failures: 3, Within: 10 * time.Second, Open: 30 * time.Second}
	serve := func(broke bool) {
		t.Helper()
		v := begin(t, tr, place(u, ""), 200)
		if broke {
			v.Broke()
		}
		v.Leave()
	}
	for _, broke := range []bool{true, true, false, true, true} {
		serve(broke)
	}
	if got := looks(tr, place(u, "")); got.Breaker != "closed" {
		t.Fatalf("with one between them that did not: %+v", got)
	}
	serve(true)
	if got := looks(tr, place(u, "")); got.Breaker != "open" {
		t.Errorf("%+v", got)
	}
}

func TestAProbeThatBreaksOffOpensTheBreakerAgain(t *testing.T) {
	for name, is := range map[string]struct {
		between []bool // answers while that of the probe goes on, and whether they break off
		want    string
		errors  float64
	}{
		"alone":                 {nil, "open", 1},
		"after another failure": {[]bool{true}, "open", 1},
		"after a success":       {[]bool{false}, "closed", 1. / 2},
		"after both":            {[]bool{false, true}, "closed", 2. / 3},
		"after a run":           {[]bool{false, true, true}, "open", 3. / 4}, // of three, with its own
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				tr, u := health.NewTracker(nil), named("up")
				u.Breaker = engine.Breaker{Failures: 3, Within: 10 * time.Second, Open: 30 * time.Second}
				a := place(u, "")
				for range 3 {
					answer(tr, a, engine.Outcome{Err: errors.New("refused"), Now: time.Now()})
				}
				time.Sleep(30 * time.Second)
				probe := begin(t, tr, a, 200)
				if got := looks(tr, a); got.Breaker != "closed" {
					t.Fatalf("its answer begins: %+v", got)
				}
				for _, broke := range is.between {
					v := begin(t, tr, a, 200)
					if broke {
						v.Broke()
					}
					v.Leave()
				}
				probe.Broke()
				probe.Leave()
				got := looks(tr, a)
				if got.Breaker != is.want || got.Breaker == "open" && got.Reopens != 30*time.Second || math.Abs(got.ErrorRate-is.errors) > 0.01 {
					t.Errorf("%+v, want %s and %.2f", got, is.want, is.errors)
				}
			})
		})
	}
}

func TestABreakerOpensWhereHalfOfAllAnswersBreakOff(t *testing.T) {
	tr, u := health.NewTracker(nil), named("up")
	u.Breaker = engine.Breaker{Failures: 3, Within: 10 * time.Second, Open: 30 * time.Second}
	for i := range 12 {
		v := begin(t, tr, place(u, ""), 200)
		if i%2 == 1 {
			v.Broke()
		}
		v.Leave()
	}
	if got := looks(tr, place(u, "")); got.Breaker != "open" {
		t.Errorf("%+v", got)
	}
}

// What an answer is worth is told when it begins: those that go on for long neither count late nor hold a run up when they end.
func TestLongAnswersCountWhenTheyBegin(t *testing.T) {
	tr, u := health.NewTracker(nil), named("up")
	u.Breaker = engine.Breaker{Failures: 3, Within: 10 * time.Second, Open: 30 * time.Second}
	a := place(u, "")
	var long []engine.Visit
	for i := range 50 {
		if i%5 == 4 {
			begin(t, tr, a, 500).Leave()
		} else {
			long = append(long, begin(t, tr, a, 200))
		}
	}
	if got := looks(tr, a); got.Breaker != "closed" || got.ErrorRate > 0.5 {
		t.Fatalf("one failure in five: %+v", got)
	}
	for range 5 { // with the last of those above twice as many, for an upstream that fails now and then
		begin(t, tr, a, 500).Leave()
		long[0].Leave()
		long = long[1:]
	}
	if got := looks(tr, a); got.Breaker != "open" {
		t.Errorf("nobody is let in while answers from before end well: %+v", got)
	}
}

func TestAnswersThatBreakOffTogetherOpenTheBreaker(t *testing.T) {
	tr, u := health.NewTracker(nil), named("up")
	u.Breaker = engine.Breaker{Failures: 3, Within: 10 * time.Second, Open: 30 * time.Second}
	a := place(u, "")
	var all []engine.Visit
	for range 3 {
		all = append(all, begin(t, tr, a, 200))
	}
	for _, v := range all {
		v.Broke()
		v.Leave()
	}
	if got := looks(tr, a); got.Breaker != "open" || got.ErrorRate < 0.99 {
		t.Errorf("%+v", got)
	}
}

func TestAFullUpstreamIsWaitedForInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr, u := health.NewTracker(nil), named("up")
		u.Concurrency, u.Queue = 1, engine.Queue{Max: 2, Wait: 5 * time.Second}
		a := place(u, "")
		first := tr.Enter(a)
		var order []int
		for i := range 3 {
			go func() {
				v, _ := tr.Wait(t.Context(), []engine.Account{a})
				if v == nil {
					order = append(order, -i)
					return
				}
				order = append(order, i)
				time.Sleep(time.Second)
				v.Leave()
			}()
			synctest.Wait()
		}
		if v := looks(tr, a); v.Queued != 2 || !v.Full || v.InFlight != 1 {
			t.Errorf("%+v, want two in line", v)
		}
		if tr.Enter(a) != nil {
			t.Error("somebody comes in before those who wait")
		}
		first.Leave()
		if tr.Enter(a) != nil {
			t.Error("somebody takes the place of the one who waited")
		}
		time.Sleep(3 * time.Second)
		synctest.Wait()
		if fmt.Sprint(order) != "[-2 0 1]" {
			t.Errorf("order %v, want the third sent away and then the first two", order)
		}
		if v := looks(tr, a); v.Queued != 0 || v.InFlight != 0 || v.Full {
			t.Errorf("%+v", v)
		}
	})
}

func TestAWaitIsBoundedAndEndsWithItsClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr, u := health.NewTracker(nil), named("up")
		u.Concurrency, u.Queue = 1, engine.Queue{Max: 9, Wait: 5 * time.Second}
		a := place(u, "")
		first := tr.Enter(a)
		start := time.Now()
		if v, _ := tr.Wait(t.Context(), []engine.Account{a}); v != nil || time.Since(start) != 5*time.Second {
			t.Errorf("%v after %v", v, time.Since(start))
		}
		ctx, leave := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, leave)
		start = time.Now()
		if v, _ := tr.Wait(ctx, []engine.Account{a}); v != nil || time.Since(start) != time.Second {
			t.Errorf("%v after %v", v, time.Since(start))
		}
		go func() { // a rest that begins meanwhile
			time.Sleep(time.Second)
			refused := headed(429, "retry-after: 60")
			refused.To, refused.Now = a, time.Now()
			first.Judge(&refused)
			first.Leave()
		}()
		start = time.Now()
		if v, _ := tr.Wait(t.Context(), []engine.Account{a}); v != nil || time.Since(start) != time.Second {
			t.Errorf("%v after %v, want to be sent away at once", v, time.Since(start))
		}
		if v := looks(tr, a); v.Queued != 0 || v.InFlight != 0 {
			t.Errorf("%+v", v)
		}
	})
}

func TestWhoWaitsOutlastsARestThatEndsInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr, u := health.NewTracker(nil), named("up")
		u.Concurrency, u.Queue = 1, engine.Queue{Max: 9, Wait: 5 * time.Second}
		a := place(u, "")
		first, start := tr.Enter(a), time.Now()
		time.AfterFunc(time.Second, func() {
			refused := headed(429, "retry-after: 2")
			refused.To, refused.Now = a, time.Now()
			first.Judge(&refused)
			first.Leave()
		})
		v, _ := tr.Wait(t.Context(), []engine.Account{a})
		if v == nil || time.Since(start) != 3*time.Second {
			t.Fatalf("%v after %v", v, time.Since(start))
		}
		v.Leave()
		answer(tr, a, headed(429, "retry-after: 6"))
		start = time.Now()
		if v, _ := tr.Wait(t.Context(), []engine.Account{a}); v != nil || time.Since(start) != 0 || looks(tr, a).Queued != 0 {
			t.Errorf("%v after %v: nobody waits for a rest that is longer", v, time.Since(start))
		}
	})
}

// TestWhoeverWaitsForARestGoesWhenItEnds: they all do, where nothing else holds them, and in order where a cap does.
func TestWhoeverWaitsForARestGoesWhenItEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr, u := health.NewTracker(nil), named("up")
		u.Queue = engine.Queue{Max: 9, Wait: 5 * time.Second}
		a, start := place(u, ""), time.Now()
		answer(tr, a, headed(429, "retry-after: 2"))
		var wait sync.WaitGroup
		for range 9 {
			wait.Go(func() {
				v, _ := tr.Wait(t.Context(), []engine.Account{a})
				if v == nil || time.Since(start) != 2*time.Second {
					t.Errorf("%v after %v", v, time.Since(start))
					return
				}
				v.Leave()
			})
		}
		synctest.Wait()
		if v, _ := tr.Wait(t.Context(), []engine.Account{a}); v != nil || looks(tr, a).Queued != 9 {
			t.Errorf("%v: the line is full", v)
		}
		wait.Wait()
		if v := looks(tr, a); v.Queued != 0 || v.InFlight != 0 {
			t.Errorf("%+v", v)
		}
	})
}

func TestMorePlacesAfterAReloadAreForThoseWhoWaitAlready(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr, u := health.NewTracker(nil), named("up")
		u.Concurrency, u.Queue = 1, engine.Queue{Max: 5, Wait: time.Hour}
		first := tr.Enter(place(u, ""))
		var served atomic.Int32
		wait := func(u *engine.Upstream) {
			if v, _ := tr.Wait(t.Context(), []engine.Account{place(u, "")}); v != nil {
				served.Add(1)
				time.Sleep(time.Minute)
				v.Leave()
			}
		}
		go wait(u)
		synctest.Wait()
		more := *u
		more.Concurrency = 3
		go wait(&more)
		synctest.Wait()
		if v := looks(tr, place(&more, "")); served.Load() != 2 || v.InFlight != 3 || v.Queued != 0 {
			t.Errorf("%d are served, %d wait, want two and none", served.Load(), v.Queued)
		}
		first.Leave()
		time.Sleep(time.Hour)
	})
}

func TestAFreePlaceIsNotWaitedFor(t *testing.T) {
	tr, u := health.NewTracker(nil), named("up")
	u.Concurrency, u.Queue = 1, engine.Queue{Max: 1, Wait: time.Hour}
	v, _ := tr.Wait(t.Context(), []engine.Account{place(u, "")}) // it became free since it was looked at
	if v == nil {
		t.Fatal("no place")
	}
	v.Leave()
}

func TestABreakerThatOpensEndsTheLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr, u := health.NewTracker(nil), named("up")
		u.Concurrency, u.Queue, u.Breaker.Failures = 1, engine.Queue{Max: 1, Wait: time.Minute}, 1
		a := place(u, "")
		first, start := tr.Enter(a), time.Now()
		time.AfterFunc(time.Second, func() {
			first.Judge(&engine.Outcome{To: a, Err: errors.New("x"), Now: time.Now()})
			first.Leave()
		})
		if v, _ := tr.Wait(t.Context(), []engine.Account{a}); v != nil || time.Since(start) != time.Second {
			t.Errorf("%v after %v", v, time.Since(start))
		}
	})
}

func TestWhoWaitsForSeveralGetsTheFirstThatIsFree(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr := health.NewTracker(nil)
		a, b := place(named("a"), ""), place(named("b"), "")
		for _, p := range []engine.Account{a, b} {
			p.Concurrency, p.Queue = 1, engine.Queue{Max: 1, Wait: time.Minute}
		}
		tr.Enter(a)
		held := tr.Enter(b)
		time.AfterFunc(time.Second, held.Leave)
		v, at := tr.Wait(t.Context(), []engine.Account{a, b})
		if v == nil || at != 1 || looks(tr, a).Queued != 0 || looks(tr, b).Queued != 0 {
			t.Errorf("%v at %d", v, at)
		}
	})
}

// TestEveryExitGivesItsPlaceBack: whatever becomes of the visits, in whatever order, nothing is in flight or in line in the end, and never
// were more in flight than the cap.
func TestEveryExitGivesItsPlaceBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr := health.NewTracker(nil)
		ups := []*engine.Upstream{named("a"), named("b"), named("c")}
		for i, u := range ups {
			u.Concurrency, u.Queue = i*3, engine.Queue{Max: 4, Wait: time.Duration(1+i) * time.Second}
		}
		var wait sync.WaitGroup
		for seed := range uint64(300) {
			wait.Go(func() { wander(t, tr, ups, rand.New(rand.NewPCG(seed, 7))) })
		}
		wait.Wait()
		for _, u := range ups {
			if v := looks(tr, place(u, "")); v.InFlight != 0 || v.Queued != 0 {
				t.Errorf("%s: %+v", u.Name, v)
			}
		}
	})
}

func wander(t *testing.T, tr *health.Tracker, ups []*engine.Upstream, rng *rand.Rand) {
	for range 20 {
		time.Sleep(time.Duration(rng.IntN(3000)) * time.Millisecond)
		u := ups[rng.IntN(len(ups))]
		a := place(u, []string{"", "claude-opus-4-5"}[rng.IntN(2)])
		v := tr.Enter(a)
		if v == nil {
			ctx, cancel := context.WithTimeout(t.Context(), time.Duration(rng.IntN(4000))*time.Millisecond)
			v, _ = tr.Wait(ctx, []engine.Account{a, place(ups[(rng.IntN(2)+1)%3], a.Model)})
			cancel()
		}
		if v == nil {
			continue
		}
		if n := looks(tr, a).InFlight; u.Concurrency > 0 && n > u.Concurrency {
			t.Errorf("%s: %d in flight, at most %d may be", u.Name, n, u.Concurrency)
		}
		time.Sleep(time.Duration(rng.IntN(2000)) * time.Millisecond)
		o := []engine.Outcome{headed(200), headed(500), headed(529), headed(429, "retry-after: 1"), headed(404), {Err: errors.New("x")}}[rng.IntN(6)]
		o.To, o.Now = a, time.Now()
		switch rng.IntN(4) {
		case 0: // its client left
		case 1:
			v.Judge(&o)
			v.Broke()
		default:
			v.Judge(&o)
		}
		v.Leave()
		if rng.IntN(3) == 0 {
			v.Leave()
		}
	}
}
