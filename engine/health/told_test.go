package health_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sluice/engine"
	"sluice/engine/health"
)

// overheard is a tracker and what it logged, without moments.
func overheard() (*health.Tracker, *[]string) {
	lines := new([]string)
	return health.NewTracker(func(format string, args ...any) { *lines = append(*lines, fmt.Sprintf(format, args...)) }), lines
}

func notServed(model string) engine.Outcome {
	return engine.Outcome{Status: 404, Body: fmt.Appendf(nil, `{"error":{"type":"not_found_error","message":"model: %s"}}`, model)}
}

func TestARestIsToldOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr, lines := overheard()
		u := named("up")
		until := func(d time.Duration) string { return time.Now().Add(d).UTC().Format(time.RFC3339) }
		want := []string{
			"upstream up: account for m cools until " + until(10*time.Minute) + ": model_not_served",
			"upstream up: account for n cools until " + until(10*time.Minute) + ": model_not_served",
			"upstream up: account cools until " + until(30*time.Second) + ": throttled",
			"upstream up: account cools until " + until(time.Minute) + ": throttled",
			"upstream up: account for m cools until " + until(20*time.Minute+time.Second) + ": model_not_served",
		}
		m, n := place(u, "m"), place(u, "n")
		var at []engine.Visit // all of them are under way before the first comes back
		for range 8 {
			at = append(at, tr.Enter(m))
		}
		judge := func(a engine.Account, o engine.Outcome) {
			o.To, o.Now = a, time.Now()
			at[0].Judge(&o)
			at[0].Leave()
			at = at[1:]
		}
		judge(m, notServed("m"))
		judge(m, notServed("m"))
		judge(n, notServed("n"))
		judge(m, headed(529)) // passes in a second
		judge(m, headed(429, "retry-after: 30"))
		judge(m, headed(429, "retry-after: 20"))
		judge(m, headed(429, "retry-after: 60"))
		time.Sleep(10*time.Minute + time.Second)
		judge(m, notServed("m"))
		if !slices.Equal(*lines, want) {
			t.Errorf("%q\nwant %q", *lines, want)
		}
	})
}

func TestNoClientFillsTheLogWithModelsOrBreaksItsLines(t *testing.T) {
	tr, lines := overheard()
	u := named("up")
	for i := range 1000 {
		model := fmt.Sprintf("m%d\nupstream up: it works again", i)
		answer(tr, place(u, model), engine.Outcome{Status: 404, Body: fmt.Appendf(nil, `{"error":{"message":%q}}`, model)})
	}
	if len(*lines) == 0 || len(*lines) > 64 {
		t.Errorf("%d lines", len(*lines))
	}
	for _, line := range *lines {
		if slices.Contains([]byte(line), '\n') {
			t.Fatalf("%q", line)
		}
	}
}

func TestHowManyClientsCoolIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr, u := health.NewTracker(nil), named("up")
		of := func(client byte) engine.Account {
			return engine.Account{Upstream: u, Client: [16]byte{client}, Model: "m"}
		}
		f := func(want int, until time.Duration) {
			t.Helper()
			n, last := tr.Clients(u, time.Now())
			if n != want || n > 0 && time.Until(last) != until {
				t.Errorf("%d until %v, want %d until %v", n, time.Until(last), want, until)
			}
		}
		f(0, 0)
		answer(tr, of(1), headed(429, "retry-after: 30"))
		answer(tr, of(2), headed(429, "retry-after: 60"))
		answer(tr, of(3), headed(529))
		answer(tr, of(4), headed(200))
		answer(tr, engine.Account{Upstream: u, Model: "m"}, headed(429, "retry-after: 90"))
		f(2, time.Minute)
		time.Sleep(40 * time.Second)
		f(1, 20*time.Second)
		time.Sleep(20 * time.Second)
		f(0, 0)
	})
}

func TestWhatAnEarlierRunSawIsTakenWhereItStillCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := func(c engine.Cooling, model string, want time.Duration) {
			t.Helper()
			tr, u := health.NewTracker(nil), named("up")
			tr.Restore(u, c, time.Now())
			if got := looks(tr, place(u, model)); got.Cooldown != want || got.Healthy != (want == 0) {
				t.Errorf("%+v: %v for %s, want %v", c, got.Cooldown, model, want)
			}
		}
		in := func(d time.Duration) time.Time { return time.Now().Add(d) }
		f(engine.Cooling{Class: engine.ClassExhausted, Until: in(time.Hour)}, "m", time.Hour)
		f(engine.Cooling{Class: engine.ClassSpendCap, Until: in(time.Hour)}, "m", time.Hour)
		f(engine.Cooling{Class: engine.ClassExhausted, Scope: "opus", Family: true, Until: in(time.Hour)}, "claude-opus-4-5", time.Hour)
		f(engine.Cooling{Class: engine.ClassExhausted, Scope: "opus", Family: true, Until: in(time.Hour)}, "claude-sonnet-4-5", 0)
		f(engine.Cooling{Class: engine.ClassExhausted, Until: in(0)}, "m", 0)
		f(engine.Cooling{Class: engine.ClassExhausted, Until: in(400 * 24 * time.Hour)}, "m", 0)
		f(engine.Cooling{Class: engine.ClassModel, Scope: "m", Until: in(time.Minute), Soft: true}, "m", 0)
		f(engine.Cooling{Class: engine.ClassCredential, Until: in(time.Minute)}, "m", 0)
		f(engine.Cooling{}, "m", 0)
	})
}

func TestModelsThatCoolAreToldByNameAsLongAsTheyDo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr, u := health.NewTracker(nil), named("up")
		for i := range 100 {
			model := fmt.Sprintf("m%d", (i+50)%100)
			answer(tr, place(u, model), engine.Outcome{Status: 404, Body: fmt.Appendf(nil, `{"error":{"message":"model: %s"}}`, model)})
		}
		answer(tr, place(u, "m0"), headed(429, "retry-after: 1800")) // the account, and not one model
		told := tr.CoolingModels(u, time.Now())
		byName := slices.IsSortedFunc(told, func(a, b engine.Cooling) int { return strings.Compare(a.Scope, b.Scope) })
		if len(told) < 60 || len(told) > 64 || !byName || told[0].Scope == "" || told[0].Class != engine.ClassModel {
			t.Errorf("%d of them, sorted %v: %+v", len(told), byName, told)
		}
		time.Sleep(10 * time.Minute)
		if told := tr.CoolingModels(u, time.Now()); len(told) != 0 {
			t.Errorf("ten minutes later: %+v", told)
		}
	})
}
