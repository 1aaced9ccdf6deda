package limits_test

import (
	"errors"
	"math/rand/v2"
	"testing"
	"time"

	"sluice/engine"
	"sluice/engine/limits"
)

// flat makes every token cost one micro-dollar, and knows no model called "free".
type flat struct{}

func (flat) Cost(model string, u engine.Usage) (int64, bool) {
	return u.InputTokens + u.OutputTokens, model != "free"
}

// oracle is a limiter that keeps every event and looks at all of them each time.
type oracle struct {
	rules []limits.Rule
	spent [][]event // by rule
	open  map[*held]bool
}

type event struct {
	at     time.Time
	amount int64
}

type held struct {
	reservation engine.Reservation
	began       time.Time
	guess       int64
}

// within sums what a rule counted in the span before now.
func (o *oracle) within(rule int, now time.Time, span time.Duration) (sum int64) {
	for _, e := range o.spent[rule] {
		if now.Sub(e.at) < span {
			sum += e.amount
		}
	}
	return sum
}

// slack is the part of a window by which an amount may count longer than the window is.
func slack(r limits.Rule) time.Duration { return r.Window/60 + time.Nanosecond*61 }

// TestTheLimiterAgreesWithOneThatRemembersEverything does random things to both. An amount must count at least as long as its window is,
// and at most a sixtieth longer; between the two the limiter may decide either way.
func TestTheLimiterAgreesWithOneThatRemembersEverything(t *testing.T) {
	const steps = 150_000
	for seed := range uint64(3) {
		rng := rand.New(rand.NewPCG(seed, 1))
		now := time.Now()
		book := limits.NewBook(now)
		rules := []limits.Rule{
			{Kind: limits.Requests, Window: time.Minute, Max: 20},
			{Kind: limits.OutputTokens, Window: 7 * time.Second, Max: 3000},
			{Kind: limits.CostUSD, Window: time.Hour, Max: 90_000},
			{Kind: limits.Concurrency, Max: 5},
		}
		set := book.Set(limits.Holder{Principal: "p", Rules: rules}, flat{})
		o := &oracle{rules: rules, spent: make([][]event, len(rules)), open: map[*held]bool{}}
		for step := range steps / 3 {
			now = now.Add(time.Duration(rng.ExpFloat64() * float64(700*time.Millisecond)))
			if rng.IntN(3) > 0 || len(o.open) == 0 {
				o.reserve(t, set, now, rng)
			} else {
				o.end(now, rng)
			}
			if step%512 == 0 {
				o.forget(now)
			}
			if t.Failed() {
				t.Fatalf("seed %d, step %d", seed, step)
			}
		}
		for h := range o.open {
			h.reservation.Refund(now)
		}
		later := now.Add(2 * time.Hour)
		if _, err := set.Reserve(later, engine.Demand{Model: "m", MaxTokens: 10}); err != nil {
			t.Errorf("seed %d: after all is over and long past: %v", seed, err)
		}
	}
}

func (o *oracle) reserve(t *testing.T, set *limits.Set, now time.Time, rng *rand.Rand) {
	d := engine.Demand{Model: "m", MaxTokens: 1 + rng.Int64N(400)}
	r, err := set.Reserve(now, d)
	var refusal *engine.Refusal
	if err != nil && !errors.As(err, &refusal) {
		t.Fatalf("reserve: %v", err)
	}
	must, may := o.judge(now)
	switch {
	case err == nil && must:
		t.Errorf("let in, though a limit is reached: %v", o.sums(now))
	case err != nil && !may:
		t.Errorf("refused with %s, though there is room: %v", refusal.Code, o.sums(now))
	case err != nil && refusal.RetryAfter < time.Second:
		t.Errorf("refused with a retry after %v", refusal.RetryAfter)
	}
	if err == nil {
		o.spent[0] = append(o.spent[0], event{now, 1})
		o.open[&held{r, now, 0}] = true
	}
}

// judge says whether the request must be refused, and whether it may be: by what has surely been spent, and by what still may count.
// What others hold is an estimate, so with others running a refusal on tokens or money is always allowed.
func (o *oracle) judge(now time.Time) (must, may bool) {
	for i, r := range o.rules {
		switch {
		case r.Kind == limits.Concurrency:
			must = must || int64(len(o.open)) >= r.Max
			may = may || int64(len(o.open)) >= r.Max
			continue
		case r.Kind != limits.Requests && len(o.open) > 0:
			may = true
		}
		must = must || o.within(i, now, r.Window) >= r.Max
		may = may || o.within(i, now, r.Window+slack(r)) >= r.Max
	}
	return must, may
}

func (o *oracle) end(now time.Time, rng *rand.Rand) {
	for h := range o.open {
		delete(o.open, h)
		if rng.IntN(4) == 0 {
			h.reservation.Refund(now)
			h.reservation.Settle(now, engine.Spent{Model: "m", Usage: engine.Usage{Known: true, OutputTokens: 1 << 40}, Whole: true}) // comes too late
			for i, e := range o.spent[0] {
				if e.at.Equal(h.began) {
					o.spent[0] = append(o.spent[0][:i], o.spent[0][i+1:]...)
					break
				}
			}
			return
		}
		u := engine.Usage{Known: true, InputTokens: rng.Int64N(300), OutputTokens: rng.Int64N(600)}
		h.reservation.Settle(now, engine.Spent{Model: "m", Usage: u, Whole: true})
		h.reservation.Refund(now) // comes too late
		o.spent[1] = append(o.spent[1], event{now, u.OutputTokens})
		o.spent[2] = append(o.spent[2], event{now, u.InputTokens + u.OutputTokens})
		return
	}
}

func (o *oracle) forget(now time.Time) {
	for i, r := range o.rules {
		var kept []event
		for _, e := range o.spent[i] {
			if now.Sub(e.at) < r.Window+slack(r) {
				kept = append(kept, e)
			}
		}
		o.spent[i] = kept
	}
}

func (o *oracle) sums(now time.Time) (out []int64) {
	for i, r := range o.rules {
		out = append(out, o.within(i, now, r.Window))
	}
	return append(out, int64(len(o.open)))
}
