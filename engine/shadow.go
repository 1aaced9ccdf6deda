package engine

import (
	"bytes"
	"slices"
)

// Shadowing takes decisions, to have shadows decide the same off the request's path. Offer is called on the request's goroutine: it waits
// for nothing and allocates nothing.
type Shadowing interface {
	Offer(d Decided)
}

// Decided is what a filter decided, and what about. Nobody writes to what it points to.
type Decided struct {
	Request    RequestContext
	Principal  *Principal
	Candidates []UpstreamCandidate
	Stage      StageDecision
	Shadows    []*FilterSlot

	refused    bool          // the decision ended the request
	rest       []*FilterSlot // of the chain
	generation *Generation
}

// offer has the shadows of f decide what it decided.
func (f *FilterSlot) offer(x *Exchange, in []UpstreamCandidate, stage StageDecision, refused bool, rest []*FilterSlot, g *Generation) {
	d := Decided{*x.Request, x.Principal, in, stage, f.Shadows, refused, rest, g}
	d.Request.Seen = nil // the row tells what the decision depends on
	f.Shadowing.Offer(d)
}

// Likeness says how a shadow's decision compares with the one that served, from the least to the most that differs.
type Likeness string

// A shadow that keeps others may still have the same one picked in the end.
const (
	SameDecision Likeness = "same"
	OtherReasons Likeness = "reasons"
	OtherKept    Likeness = "kept"
	OtherPick    Likeness = "pick"
	NoDecision   Likeness = "failed" // the shadow failed, or is put aside
)

// Comparison is a shadow's decision beside the one that served.
type Comparison struct {
	Likeness Likeness
	Shadow   StageDecision
	Picks    [2]string // who is picked after the decision that served, and after the shadow's; "" = nobody, or not asked
}

// Compare runs a shadow on what was decided about. Its calls count as those of any script, but nothing comes of them.
func (d *Decided) Compare(shadow *FilterSlot) Comparison {
	x := &Exchange{Request: &d.Request, Principal: d.Principal}
	var stage StageDecision
	kept, _ := shadow.run(x, d.Candidates, &stage) // an error is that it denies, which stage says
	c := Comparison{Likeness: SameDecision, Shadow: stage}
	if stage.Error != "" {
		c.Likeness = NoDecision
		return c
	}
	served, failed := apply(d.Candidates, d.Stage.Kept)
	if d.refused {
		served = nil
	}
	if failed == nil && d.Stage.Denied == stage.Denied && d.refused == stage.Denied && slices.EqualFunc(served, kept, sameUpstream) {
		if stage.Reason != d.Stage.Reason || !sameReasons(stage.Dropped, d.Stage.Dropped) {
			c.Likeness = OtherReasons
		}
		return c
	}
	c.Picks = [2]string{d.pick(served), d.pick(kept)}
	c.Likeness = OtherKept
	if c.Picks[0] != c.Picks[1] {
		c.Likeness = OtherPick
	}
	return c
}

// sameReasons reports whether each candidate has the same reason: they are a map, in whatever order a script filled it.
func sameReasons(a, b []PerCandidateReason) bool {
	if len(a) != len(b) || slices.Equal(a, b) {
		return len(a) == len(b)
	}
	byID := func(a, b PerCandidateReason) int { return bytes.Compare(a.UpstreamID[:], b.UpstreamID[:]) }
	return slices.Equal(slices.SortedFunc(slices.Values(a), byID), slices.SortedFunc(slices.Values(b), byID))
}

func sameUpstream(a, b UpstreamCandidate) bool { return a.ID == b.ID }

// pick is who would be picked if a filter had kept these: what comes after it in the chain decides as well. "" = nobody.
func (d *Decided) pick(kept []UpstreamCandidate) string {
	x := &Exchange{Request: &d.Request, Principal: d.Principal, Dry: true}
	var err error
	for _, slot := range d.rest {
		if kept, err = slot.Serving(x).run(x, kept, &StageDecision{}); err != nil {
			return ""
		}
	}
	if len(kept) == 0 {
		return ""
	}
	slot, _, err := d.generation.Pick(x, kept)
	if err != nil {
		return ""
	}
	return slot.Name
}
