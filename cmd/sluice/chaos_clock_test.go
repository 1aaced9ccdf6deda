package main

import (
	"fmt"
	"net/url"
	"testing"
	"time"
	"unsafe"

	"github.com/google/uuid"

	"sluice/engine"
	"sluice/engine/health"
	"sluice/engine/limits"
)

// jumped is a moment as time.Now would tell it after somebody set the clock by whole seconds: the wall clock differs, and the monotonic one
// goes on.
func jumped(t time.Time, by time.Duration) time.Time {
	clock := (*struct {
		wall uint64 // 1 bit set, 33 bits of seconds, 30 of nanoseconds
		ext  int64  // monotonic
		loc  *time.Location
	})(unsafe.Pointer(&t))
	clock.wall += uint64(by/time.Second) << 30
	return t
}

// jumps are by what clocks are set: a leap, a summer time that somebody does by hand, a battery that was empty.
var jumps = []time.Duration{time.Second, -time.Second, time.Hour, -time.Hour, 30 * 365 * 24 * time.Hour, -20 * 365 * 24 * time.Hour}

func TestAClockThatJumpsIsOne(t *testing.T) {
	now := time.Now()
	for _, by := range jumps {
		if after := jumped(now.Add(time.Minute), by); after.Sub(now) != time.Minute || after.Round(0).Sub(now.Round(0)) != time.Minute+by {
			t.Fatalf("%v after %v, want a minute of one clock and %v of the other", after, now, time.Minute+by)
		}
	}
}

// aCoolDownTakesAsLongWhateverTheClockSays: one that names a wait, and one that names a moment, which is taken for a wait when it is heard.
func aCoolDownTakesAsLongWhateverTheClockSays(t *testing.T) {
	to := engine.Account{Upstream: &engine.Upstream{ID: uuid.New(), Name: "u", Kind: engine.KindAnthropicDirect, BaseURL: &url.URL{}}}
	now := time.Now()
	for _, headers := range []engine.Headers{
		{{Name: "retry-after", Value: "30"}},
		{{Name: "anthropic-ratelimit-unified-status", Value: "rejected"}, {Name: "anthropic-ratelimit-unified-5h-status", Value: "rejected"},
			{Name: "anthropic-ratelimit-unified-representative-claim", Value: "five_hour"},
			{Name: "anthropic-ratelimit-unified-5h-reset", Value: fmt.Sprint(now.Unix() + 30)}},
	} {
		tracker := health.NewTracker(nil)
		v := tracker.Enter(to)
		v.Judge(&engine.Outcome{To: to, Status: 429, Headers: headers, Now: now})
		v.Leave()
		for _, by := range jumps {
			cools, over := tracker.Look(&to, jumped(now.Add(25*time.Second), by)), tracker.Look(&to, jumped(now.Add(31*time.Second), by))
			if cools.Healthy || cools.Cooldown > 6*time.Second || !over.Healthy {
				t.Errorf("by %v: %v, %v", by, cools.Cooldown, over.Cooling)
			}
		}
	}
}

func aBreakerIsOpenAsLongWhateverTheClockSays(t *testing.T) {
	u := &engine.Upstream{ID: uuid.New(), Name: "u", Breaker: engine.Breaker{Failures: 1, Within: time.Second, Open: 30 * time.Second}}
	to, tracker, now := engine.Account{Upstream: u}, health.NewTracker(nil), time.Now()
	v := tracker.Enter(to)
	v.Judge(&engine.Outcome{To: to, Status: 500, Now: now})
	v.Leave()
	for _, by := range jumps {
		open, half := tracker.Vitals(u, jumped(now.Add(29*time.Second), by)), tracker.Vitals(u, jumped(now.Add(31*time.Second), by))
		if open.Breaker != "open" || half.Breaker != "half_open" {
			t.Errorf("by %v: %s, %s", by, open.Breaker, half.Breaker)
		}
	}
}

func aWindowIsAsLongWhateverTheClockSays(t *testing.T) {
	for _, by := range jumps {
		now := time.Now()
		set := limits.NewBook(now).Set(limits.Holder{Principal: "p", Rules: []limits.Rule{{Kind: limits.Requests, Window: time.Hour, Max: 1}}}, nil)
		if _, err := set.Reserve(now, engine.Demand{}); err != nil {
			t.Fatal(err)
		}
		if _, err := set.Reserve(jumped(now.Add(59*time.Minute), by), engine.Demand{}); err == nil {
			t.Errorf("by %v: the window opened", by)
		}
		if _, err := set.Reserve(jumped(now.Add(62*time.Minute), by), engine.Demand{}); err != nil {
			t.Errorf("by %v: %v", by, err)
		}
	}
}
