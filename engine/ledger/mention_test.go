package ledger

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"sluice/engine"
)

// TestARowIsTheSameWhateverCameBefore writes rows that share upstreams, vitals, limits and decisions with others, as a gateway's do, and
// compares each with what somebody writes who remembers none of them.
func TestARowIsTheSameWhateverCameBefore(t *testing.T) {
	d := dice{rand.New(rand.NewPCG(5, 6))}
	var pool []engine.UpstreamCandidate
	for range 20 {
		pool = append(pool, d.candidate())
	}
	for i := range pool {
		u := pool[i].Upstream
		u.Name = string(rune('a' + i%7)) // some share a name
		if d.IntN(2) == 0 {
			u.ID = engine.UpstreamID(string(rune('a' + d.IntN(7)))) // and some an id, which may be another name's
		}
		if d.IntN(3) == 0 {
			pool[i].Vitals = &engine.Vitals{Healthy: true, Breaker: closedBreaker}
		}
	}
	one := func() *engine.UpstreamCandidate { return &pool[d.IntN(len(pool))] }
	var decisions []engine.StageDecision
	for range 6 {
		s := engine.StageDecision{Stage: d.text(), Script: d.text()}
		for range d.IntN(3) {
			s.Kept = append(s.Kept, one().ID)
		}
		s.Dropped = some(d, func() engine.PerCandidateReason {
			return engine.PerCandidateReason{UpstreamID: one().ID, Reason: d.text()}
		})
		decisions = append(decisions, s, s)
		decisions[len(decisions)-1].Kept = some(d, func() uuid.UUID { return one().ID })
	}
	told, latest := newMentions(), pool[:5]
	for i := range 20000 {
		r := d.record()
		if d.IntN(3) == 0 {
			latest = nil
			for range d.IntN(6) {
				latest = append(latest, *one())
			}
		}
		r.Trace.Candidates = append([]engine.UpstreamCandidate(nil), latest...)
		for i := range r.Trace.Candidates {
			c := &r.Trace.Candidates[i]
			switch d.IntN(8) {
			case 0:
				c.Vitals = one().Vitals
			case 1:
				v := *c.Vitals
				v.InFlight, v.Cooling, c.Vitals = d.IntN(3), engine.Cooling{}, &v
			case 2:
				v := *c.Vitals
				v.RateLimits, v.Quotas, c.Vitals = one().RateLimits, one().Quotas, &v
			case 3:
				c.CacheRead = one().CacheRead
			case 4:
				c.Vitals = nil
			}
		}
		r.Principal, r.Trace.Stages = words[d.IntN(2)], some(d, func() engine.StageDecision { return decisions[d.IntN(len(decisions))] })
		got, want := string(appendRow(nil, r, told)), string(appendRow(nil, r, newMentions()))
		if got != want {
			t.Fatalf("row %d:\n got %s\nwant %s", i, got, want)
		}
		if back, err := parseRow([]byte(got), nil); err != nil || len(back.Trace.Candidates) != len(r.Trace.Candidates) {
			t.Fatalf("row %d: %v: %s", i, err, got)
		}
	}
}

func TestRowsOfOneSecondTellTheirOwnMoments(t *testing.T) {
	noon := time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
	told := newMentions()
	for _, at := range []time.Time{
		time.Unix(0, 1), time.Unix(0, 0), noon, noon.Add(1), noon.Add(120 * time.Millisecond), noon.Add(time.Second - 1), noon.Add(time.Second),
		noon.Add(10).In(time.FixedZone("", 3600)), noon.Add(-1), noon.AddDate(-3000, 0, 0),
	} {
		row := appendRow(nil, &engine.Record{Started: at}, told)
		if want := `"started":"` + at.UTC().Format(time.RFC3339Nano) + `"`; !strings.Contains(string(row), want) {
			t.Errorf("%s, want %s", row, want)
		}
	}
}

func TestAWriterRemembersSomeRulingsOnly(t *testing.T) {
	told := newMentions()
	for i := range 3 * maxRulings / rulingSize {
		r := Sample(200)
		r.Principal = fmt.Sprint(i)
		r.Trace.Stages[0].Dropped[0].Reason = strings.Repeat("x", i%(2*maxRuling))
		appendRow(nil, r, told)
		if told.rulings.size > maxRulings+rulingSize+maxRuling+100 {
			t.Fatalf("%d bytes are remembered", told.rulings.size)
		}
	}
	total := 0
	for _, r := range told.rulings.at {
		total += rulingSize + len(r.text) + 8*len(r.among)
	}
	if total != told.rulings.size || total < maxRuling {
		t.Errorf("%d bytes are remembered and %d counted", total, told.rulings.size)
	}
}

func TestAWriterRemembersSomeUpstreamsOnly(t *testing.T) {
	told := newMentions()
	for range 3 * maxMentions {
		r := Sample(200)
		for i := range r.Trace.Candidates {
			r.Trace.Candidates[i].Upstream = &engine.Upstream{ID: uuid.New(), Name: "u"}
		}
		got, want := appendRow(nil, r, told), appendRow(nil, r, newMentions())
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("%s, want %s", got, want)
		}
	}
	if len(told.byID) > maxMentions || len(told.latest) > 3 {
		t.Errorf("%d upstreams are remembered", len(told.byID))
	}
}
