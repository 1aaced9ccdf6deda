package health_test

import (
	"reflect"
	"testing"
	"time"

	"sluice/engine"
	"sluice/engine/health"
)

func TestWhatIsKnownIsSharedUntilAnyOfItChanges(t *testing.T) {
	tr, u := health.NewTracker(nil), named("up")
	look := func() *engine.Vitals {
		a := place(u, "m")
		return tr.Look(&a, time.Now())
	}
	var visit engine.Visit
	judge := func(o engine.Outcome) { o.To, o.Now = place(u, "m"), time.Now(); visit.Judge(&o) }
	for _, change := range []struct {
		name string
		make func()
	}{
		{"in flight", func() { visit = tr.Enter(place(u, "m")) }},
		{"limits", func() { judge(headed(200, "anthropic-ratelimit-requests-limit: 5")) }},
		{"quota", func() { judge(headed(200, "anthropic-ratelimit-unified-5h-status: allowed")) }},
		{"ttfb", func() { judge(engine.Outcome{Status: 200, TTFB: time.Second}) }},
		{"errors", func() { judge(engine.Outcome{Status: 500}) }},
		{"config", func() { u = named("up"); u.Concurrency = 1 }},
		{"cool", func() { judge(headed(529, "retry-after: 3")) }},
		{"breaker", func() { judge(engine.Outcome{Status: 500}); judge(engine.Outcome{Status: 500}) }},
		{"left", func() { visit.Leave() }},
	} {
		before, again := look(), look()
		was := *before
		if before != again && before.Healthy && before.Cooling.Class == "" {
			t.Errorf("%s: made twice", change.name)
		}
		change.make()
		after := look()
		if reflect.DeepEqual(*after, was) {
			t.Errorf("%s changed nothing: %+v", change.name, was)
		}
		if !reflect.DeepEqual(*before, was) {
			t.Errorf("%s changed what was seen before: %+v, then %+v", change.name, was, *before)
		}
	}
}
