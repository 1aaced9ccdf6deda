package health_test

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"

	"sluice/engine"
	"sluice/engine/health"
)

// keyLimits are the lines of the API for one of its keys.
func keyLimits(remaining string) []string {
	lines := []string{"content-type: application/json", "request-id: r"}
	for _, kind := range []string{"requests", "tokens", "input-tokens", "output-tokens"} {
		lines = append(lines, "anthropic-ratelimit-"+kind+"-limit: 2000000", "anthropic-ratelimit-"+kind+"-remaining: "+remaining,
			"anthropic-ratelimit-"+kind+"-reset: 2026-11-28T00:46:41Z")
	}
	return append(lines, "x-envoy-upstream-service-time: 1", "via: 1.1 google")
}

var subscriptionLimits = []string{"content-type: application/json", "request-id: r",
	"anthropic-ratelimit-unified-status: allowed", "anthropic-ratelimit-unified-reset: 1795996800",
	"anthropic-ratelimit-unified-representative-claim: five_hour",
	"anthropic-ratelimit-unified-5h-status: allowed", "anthropic-ratelimit-unified-5h-reset: 1795996800", "anthropic-ratelimit-unified-5h-utilization: 0.25",
	"anthropic-ratelimit-unified-7d-status: allowed", "anthropic-ratelimit-unified-7d-reset: 1795996800", "anthropic-ratelimit-unified-7d-utilization: 0.93"}

// TestLinesThatAreKnownTellTheSame compares an account with one that never gets the same head twice, since each of its heads has a line
// more, of a limit that nobody knows.
func TestLinesThatAreKnownTellTheSame(t *testing.T) {
	dice := rand.New(rand.NewPCG(1, 2))
	oneOf := func(texts ...string) string { return texts[dice.IntN(len(texts))] }
	head := func() (lines []string) {
		for range dice.IntN(5) {
			name := oneOf("anthropic-ratelimit-requests-limit", "anthropic-ratelimit-requests-remaining", "anthropic-ratelimit-input-tokens-remaining",
				"Anthropic-Ratelimit-Requests-Remaining", "anthropic-ratelimit-requests-reset", "anthropic-ratelimit-requests", "anthropic-ratelimit-", "via")
			if dice.IntN(6) == 0 {
				name = oneOf("anthropic-ratelimit-unified-status", "anthropic-ratelimit-unified-5h-Utilization", "anthropic-ratelimit-unified-7d-reset")
			}
			lines = append(lines, name+": "+oneOf("1", "2", "-", "0.5", "2026-11-28T00:46:41Z", "2026-11-28T00:46:42+01:00"))
		}
		return lines
	}
	for run := range 200 {
		one, other := health.NewTracker(nil), health.NewTracker(nil)
		a, now := place(named("up"), "m"), time.Now()
		first, second := one.Enter(a), other.Enter(a)
		lines := head()
		for i := range 30 {
			switch dice.IntN(4) {
			case 0:
				lines = head()
			case 1:
				lines = lines[:dice.IntN(len(lines)+1)]
			}
			now = now.Add(time.Second)
			told := headed(200, lines...)
			told.Now = now
			first.Judge(&told)
			told.Headers.Add("anthropic-ratelimit-unknown-limit", fmt.Sprint(i))
			second.Judge(&told)
			got, want := one.Vitals(a.Upstream, now), other.Vitals(a.Upstream, now)
			if !reflect.DeepEqual(got, want) {
				t.Fatalf("run %d: after %q: %+v, want %+v", run, lines, got, want)
			}
		}
	}
}

func TestAnUpstreamThatMakesUpWindowsHasFewOfThem(t *testing.T) {
	tr, a := health.NewTracker(nil), place(named("up"), "m")
	v, now := tr.Enter(a), time.Now()
	var quotas []engine.Quota
	for i := range 1000 {
		o := headed(200, "anthropic-ratelimit-unified-5h-utilization: 0.5", fmt.Sprintf("anthropic-ratelimit-unified-w%d-status: allowed", i))
		o.Now = now.Add(time.Duration(i) * time.Second)
		v.Judge(&o)
		quotas = tr.Vitals(a.Upstream, o.Now).Quotas
		for _, want := range []string{"5h", fmt.Sprint("w", i)} {
			if !slices.ContainsFunc(quotas, func(q engine.Quota) bool { return q.Window == want }) {
				t.Fatalf("window %s was told just now and is not known: %+v", want, quotas)
			}
		}
	}
	if len(quotas) > 32 {
		t.Errorf("%d windows are known of one account", len(quotas))
	}
}

func TestALimitThatStaysIsSharedByAllWhoLook(t *testing.T) {
	tr, a := health.NewTracker(nil), place(named("up"), "m")
	v := tr.Enter(a)
	rates := func(remaining string) []engine.RateLimit {
		o := headed(200, keyLimits(remaining)...)
		v.Judge(&o)
		return tr.Vitals(a.Upstream, time.Now()).RateLimits
	}
	before, same, other := rates("10"), rates("10"), rates("9")
	if &before[0] != &same[0] || &before[0] == &other[0] || before[0].Remaining != 10 || other[0].Remaining != 9 {
		t.Errorf("%p %v, then %p, then %p %v", before, before, same, other, other)
	}
}

// BenchmarkJudge is what an answer's head costs: without limits, with those of the answer before, with others, and with a subscription's.
func BenchmarkJudge(b *testing.B) {
	f := func(name string, heads ...engine.Outcome) {
		b.Run(name, func(b *testing.B) {
			tr := health.NewTracker(nil)
			v := tr.Enter(place(named("up"), "m"))
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				v.Judge(&heads[i%len(heads)])
			}
		})
	}
	f("none", headed(200, "content-type: application/json", "request-id: r"))
	f("same", headed(200, keyLimits("1999000")...))
	f("other", headed(200, keyLimits("1999000")...), headed(200, keyLimits("1998000")...))
	f("subscription", headed(200, subscriptionLimits...))
}
