package experiment_test

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"sluice/engine"
	"sluice/engine/experiment"
)

// patience is how long a test waits for what must happen, on a loaded machine.
const patience = 20 * time.Second

type policy func(ctx *engine.RequestContext, c []engine.UpstreamCandidate) (engine.FilterOutput, error)

type filter struct {
	engine.Identity
	policy
}

func (f filter) Filter(ctx *engine.RequestContext, _ *engine.Principal, c []engine.UpstreamCandidate) (engine.FilterOutput, error) {
	return f.policy(ctx, c)
}

// keeps keeps the upstreams of these names, for a reason.
func keeps(reason string, names ...string) policy {
	return func(_ *engine.RequestContext, c []engine.UpstreamCandidate) (out engine.FilterOutput, err error) {
		for i := range c {
			if strings.Contains(strings.Join(names, " "), c[i].Name) {
				out.KeptUpstreamIDs = append(out.KeptUpstreamIDs, c[i].ID)
			}
		}
		out.Reason = reason
		return out, nil
	}
}

// pair is a gateway with one arm that serves and one shadow beside it.
type pair struct {
	*rig
	lab        *experiment.Lab
	generation *engine.Generation
	standings  engine.Standings
}

func newPair(t *testing.T, serves, shadow policy) *pair {
	p := &pair{rig: newRig(t), lab: experiment.NewLab()}
	t.Cleanup(p.lab.Close)
	crew := engine.NewCrew()
	t.Cleanup(crew.Close)
	d := arms(1)
	d.Shadows = []experiment.Arm{{Name: "next", Script: "next.star", Version: "1"}}
	p.load(d)
	strategy, err := engine.NewStrategy("first-pick", 0)
	p.must(err)
	slot := func(f policy, m *engine.Meter) *engine.FilterSlot {
		return &engine.FilterSlot{Filter: filter{engine.NewIdentity("", "tier"), f}, Meter: m}
	}
	next := slot(shadow, p.live.ShadowMeter(0))
	next.Guard = &engine.Guard{Crew: crew, Standing: p.standings.For("next.star", "1"), Budget: engine.Budget{Time: 20 * time.Millisecond}}
	bound := slot(serves, nil)
	bound.Experiment, bound.Arms, bound.Shadows = p.live, []*engine.FilterSlot{slot(serves, p.live.Meter(0))}, []*engine.FilterSlot{next}
	bound.Shadowing = p.live.Shadowing(p.lab)
	p.generation = &engine.Generation{Strategy: strategy, Filters: []*engine.FilterSlot{bound, slot(keeps("", "a b c"), &engine.Meter{})}}
	for i, name := range []string{"a", "b", "c"} {
		p.generation.Upstreams = append(p.generation.Upstreams, &engine.UpstreamSlot{Upstream: &engine.Upstream{ID: uuid.UUID{byte(i)}, Name: name},
			Dialect: &engine.DialectSlot{}})
	}
	return p
}

func (p *pair) decide(id string) {
	p.t.Helper()
	p.must(p.ask(id))
}

// ask is decide, and returns why the request is refused.
func (p *pair) ask(id string) error {
	p.t.Helper()
	x := request("alice", id)
	x.Request.RequestID = id
	var in []engine.UpstreamCandidate
	for _, u := range p.generation.Upstreams {
		in = append(in, engine.UpstreamCandidate{Upstream: u.Upstream, Vitals: &engine.Vitals{Healthy: true}})
	}
	_, err := p.generation.Filter(x, in)
	return err
}

// seen waits until the shadow was asked, or missed, n times.
func (p *pair) seen(n int64) experiment.ShadowView {
	p.t.Helper()
	for late := time.Now().Add(patience); ; runtime.Gosched() {
		v, err := p.book.View("tier")
		p.must(err)
		s := v.Shadows[0]
		if s.Compared+s.Likeness[engine.NoDecision]+s.Dropped >= n {
			return s
		}
		if time.Now().After(late) {
			p.t.Fatalf("the shadow was asked %d times, want %d", s.Compared, n)
		}
		time.Sleep(time.Millisecond)
	}
}

func TestAShadowIsComparedWithWhatServed(t *testing.T) {
	f := func(serves, shadow policy, want engine.Likeness) {
		t.Helper()
		p := newPair(t, serves, shadow)
		p.decide("r1")
		s := p.seen(1)
		if s.Likeness[want] != 1 {
			t.Errorf("likeness %v, want %s", s.Likeness, want)
		}
	}
	f(keeps("x", "a b"), keeps("x", "a b"), engine.SameDecision)
	f(keeps("x", "a b"), keeps("y", "a b"), engine.OtherReasons)
	because := func(order ...int) policy {
		return func(_ *engine.RequestContext, in []engine.UpstreamCandidate) (out engine.FilterOutput, err error) {
			for _, i := range order {
				out.PerCandidateReasons = append(out.PerCandidateReasons, engine.PerCandidateReason{UpstreamID: in[i%10].ID, Reason: fmt.Sprint("it is ", i)})
			}
			out.KeptUpstreamIDs = []uuid.UUID{in[2].ID}
			return out, nil
		}
	}
	f(because(0, 1), because(1, 0), engine.SameDecision)
	f(because(0, 1), because(11, 0), engine.OtherReasons)
	f(because(0, 1), because(0), engine.OtherReasons)
	f(keeps("x", "a b"), keeps("x", "a c"), engine.OtherKept) // a is picked all the same
	f(keeps("x", "a b"), keeps("x", "b"), engine.OtherPick)
	f(keeps("x", "a b"), keeps("x"), engine.OtherPick) // nobody
	f(keeps("x", "a"), func(*engine.RequestContext, []engine.UpstreamCandidate) (out engine.FilterOutput, err error) {
		return engine.FilterOutput{Denied: true, Reason: "x"}, nil
	}, engine.OtherPick)
	f(keeps("x", "a"), func(*engine.RequestContext, []engine.UpstreamCandidate) (out engine.FilterOutput, err error) {
		return out, &engine.FilterError{Variant: engine.FilterRuntime, Cause: errors.New("boom")}
	}, engine.NoDecision)
	f(keeps("x", "a"), func(*engine.RequestContext, []engine.UpstreamCandidate) (out engine.FilterOutput, err error) {
		out.KeptUpstreamIDs = []uuid.UUID{{9}}
		return out, nil
	}, engine.NoDecision)
}

func TestAShadowOfAFilterThatFails(t *testing.T) {
	fails := func(*engine.RequestContext, []engine.UpstreamCandidate) (out engine.FilterOutput, err error) {
		return out, &engine.FilterError{Variant: engine.FilterRuntime, Cause: errors.New("boom")}
	}
	f := func(rule engine.FailurePolicy, shadow policy, want engine.Likeness) {
		t.Helper()
		p := newPair(t, fails, shadow)
		p.generation.Filters[0].Arms[0].Policy = rule
		_ = p.ask("r1") // refused where the rule is closed
		if s := p.seen(1); s.Likeness[want] != 1 {
			t.Errorf("likeness %v, want %s", s.Likeness, want)
		}
	}
	f(engine.FailOpen, keeps("", "a b c"), engine.SameDecision) // what it kept is what served
	f(engine.FailOpen, keeps("", "b"), engine.OtherPick)
	f(engine.FailClosed, keeps("", "a b c"), engine.OtherPick) // nobody served
	f(engine.FailClosed, fails, engine.NoDecision)
}

func TestDifferingRequestsAreKeptWhole(t *testing.T) {
	p := newPair(t, keeps("prefers a", "a b"), keeps("prefers b", "b"))
	for i := range 150 {
		p.decide(fmt.Sprint("r", i))
		p.seen(int64(i + 1))
	}
	s := p.seen(150)
	if len(s.Differing) != 100 || s.Differing[99].RequestID != "r149" || s.Differing[0].RequestID != "r50" || *s.Agreement != 0 {
		t.Fatalf("%d are kept, agreement %v", len(s.Differing), *s.Agreement)
	}
	d := s.Differing[99]
	got := fmt.Sprint(d.Served.Kept, d.Served.Reason, d.Served.Picked, d.Shadow.Kept, d.Shadow.Reason, d.Shadow.Picked)
	if got != "[a b]prefers aa[b]prefers bb" || d.Differs != engine.OtherPick || !strings.HasPrefix(d.Inputs, "sha256:") {
		t.Errorf("%s %+v", got, d)
	}
	if d.Inputs == s.Differing[98].Inputs {
		t.Error("another session has the same digest")
	}
}

func TestAShadowThatHangsIsPutAsideAndDelaysNobody(t *testing.T) {
	free := make(chan struct{})
	defer close(free)
	p := newPair(t, keeps("", "a"), func(*engine.RequestContext, []engine.UpstreamCandidate) (out engine.FilterOutput, err error) {
		<-free
		return out, nil
	})
	const requests = 2000
	for i := range requests {
		p.decide(fmt.Sprint("r", i)) // each returns at once, or the test lasts for ever
	}
	s := p.seen(requests)
	if s.Dropped == 0 || s.Aside == 0 || s.Overruns == 0 {
		t.Errorf("%d dropped, %d put aside, %d overruns", s.Dropped, s.Aside, s.Overruns)
	}
	if p.standings.Get("next.star", "1").Aside("alice") == nil {
		t.Error("it is not put aside")
	}
}

func TestAFullQueueCountsWhatItDrops(t *testing.T) {
	hold := make(chan struct{})
	var once sync.Once
	p := newPair(t, keeps("", "a"), func(*engine.RequestContext, []engine.UpstreamCandidate) (out engine.FilterOutput, err error) {
		<-hold
		return out, nil
	})
	defer once.Do(func() { close(hold) })
	const requests = 400
	var all sync.WaitGroup
	for worker := range 8 {
		all.Go(func() {
			for i := range requests / 8 {
				p.decide(fmt.Sprint("r", worker, "-", i))
			}
		})
	}
	all.Wait()
	once.Do(func() { close(hold) })
	s := p.seen(requests)
	if total := s.Compared + s.Likeness[engine.NoDecision] + s.Dropped; total != requests || s.Dropped == 0 {
		t.Errorf("%d of %d are accounted for, %d dropped", total, requests, s.Dropped)
	}
}

func TestAnOfferAllocatesNothing(t *testing.T) {
	with, without := newPair(t, keeps("", "a"), keeps("", "a")), newPair(t, keeps("", "a"), keeps("", "a"))
	without.generation.Filters[0].Shadowing = nil
	still := experiment.NewLab()
	still.Close() // what it does itself is not the request's affair
	with.generation.Filters[0].Shadowing = with.live.Shadowing(still)
	x := request("alice", "s")
	in := []engine.UpstreamCandidate{{Upstream: with.generation.Upstreams[0].Upstream, Vitals: &engine.Vitals{}}}
	allocs := func(p *pair) float64 {
		return testing.AllocsPerRun(1000, func() {
			x.Trace.Stages, x.Arms = x.Trace.Stages[:0], x.Arms[:0]
			if _, err := p.generation.Filter(x, in); err != nil {
				t.Fatal(err)
			}
		})
	}
	if a, b := allocs(with), allocs(without); a > b {
		t.Errorf("with a shadow a request allocates %v times, without %v", a, b)
	}
}

func TestAShadowsFiguresAreOfOneConfigOfTheArms(t *testing.T) {
	r := newRig(t)
	d := arms(50, 50)
	d.Shadows = []experiment.Arm{{Name: "next", Script: "next.star", Version: "1"}}
	r.load(d)
	before := r.live.ShadowMeter(0)
	d.Arms[0].Weight = 60
	r.load(d)
	if r.live.ShadowMeter(0) != before {
		t.Error("its figures begin anew with other weights")
	}
	d.Arms[0].Config = "max 0.5"
	r.load(d)
	if r.live.ShadowMeter(0) == before {
		t.Error("its figures mix what it was compared with: an arm has another config")
	}
}
