package ledger

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"testing"
	"time"

	"sluice/engine"
)

// gist is what a start makes of rows.
type gist struct {
	spent map[string]string // by request: who spent what and when
	rests map[string]bool
	rows  int
}

func (g *gist) take(r *engine.Record, of map[string]bool) {
	g.rows++
	if of[r.Principal] {
		g.spent[r.RequestID] = fmt.Sprintf("%s %s %v %v %+v", r.Principal, r.KeyID, r.Started, r.Timings.Duration, r.Booked)
	}
	rest := func(name string, c engine.Cooling) {
		if c.Class != "" && !c.Soft && !c.Until.IsZero() && name != "" {
			g.rests[fmt.Sprintf("%s %+v", name, c)] = true
		}
	}
	for _, c := range r.Trace.Candidates {
		if c.Vitals != nil {
			rest(c.Name, c.Vitals.Cooling)
		}
	}
	for _, a := range r.Trace.Attempts {
		rest(a.Upstream, a.Cooling)
	}
}

// TestThePastTellsAStartWhatAScanDoes: of rows in which any text may look like anything, the little that is read is all that counts.
func TestThePastTellsAStartWhatAScanDoes(t *testing.T) {
	b := openBench(t)
	d := dice{rand.New(rand.NewPCG(3, 4))}
	names := []string{"alice", "bob", `quote " and \ slash`, `,"principal":"alice"`, `"cooling":{`, ""}
	out := newBatch()
	for i := range 4000 {
		r := d.record()
		r.RequestID, r.Principal = fmt.Sprint(i), names[d.IntN(len(names))]
		if r.ClientRequestID = names[d.IntN(len(names))]; i%2 == 0 {
			r.Trace.Candidates, r.Trace.Attempts = nil, nil
		}
		out.add(r)
	}
	if err := b.put(out); err != nil {
		t.Fatal(err)
	}
	for _, of := range []map[string]bool{nil, {"alice": true}, {"bob": true, `quote " and \ slash`: true}} {
		all, few := gist{map[string]string{}, map[string]bool{}, 0}, gist{map[string]string{}, map[string]bool{}, 0}
		if err := b.Scan(time.Time{}, func(r *engine.Record) bool { all.take(r, of); return true }); err != nil {
			t.Fatal(err)
		}
		if err := b.Past(time.Time{}, of, func(r *engine.Record) { few.take(r, of) }); err != nil {
			t.Fatal(err)
		}
		if !maps.Equal(all.spent, few.spent) || len(of) > 0 && len(all.spent) < 500 {
			t.Errorf("of %v: %d spent, want %d", of, len(few.spent), len(all.spent))
		}
		if !maps.Equal(all.rests, few.rests) || len(all.rests) < 1000 {
			t.Errorf("of %v: %d rests, want %d", of, len(few.rests), len(all.rests))
		}
		if most := 2000 + 500*len(of) + 800; few.rows > most {
			t.Errorf("of %v: %d rows were read", of, few.rows)
		}
	}
}

// TestARestIsReadOnce: while an account rests every row says so. One that is told in a damaged line was not told.
func TestARestIsReadOnce(t *testing.T) {
	b := openBench(t)
	r, out := Sample(200), newBatch()
	r.Trace.Candidates[1].Vitals.Cooling = engine.Cooling{Class: engine.ClassExhausted, Until: r.Started.Add(time.Hour)}
	for range 100 {
		out.add(r)
	}
	out.text[20] ^= 1
	if err := b.put(out); err != nil {
		t.Fatal(err)
	}
	var got []*engine.Record
	if err := b.Past(time.Time{}, nil, func(r *engine.Record) { got = append(got, r) }); err != nil {
		t.Fatal(err)
	}
	if len(got) != 1 || got[0].Trace.Candidates[1].Vitals.Cooling.Class != engine.ClassExhausted {
		t.Errorf("%d rows: %+v", len(got), got)
	}
}

// TestNoLineStopsAStart: a file may hold anything, and it is counted as what it is.
func TestNoLineStopsAStart(t *testing.T) {
	b := openBench(t)
	out := newBatch()
	out.add(Sample(200))
	for _, junk := range []string{`"cooling":{`, `{"cooling":{"class":"c"`, `,"principal":"`, `{"upstream":"a","cooling":{"scope":"\`, `"cooling":{"cooling":{`} {
		out.text = append(append(out.text, junk...), '\n')
	}
	out.add(Sample(201))
	if err := b.put(out); err != nil {
		t.Fatal(err)
	}
	n := 0
	if err := b.Past(time.Time{}, map[string]bool{"alice": true}, func(*engine.Record) { n++ }); err != nil || n != 2 {
		t.Errorf("%d rows, %v", n, err)
	}
}
