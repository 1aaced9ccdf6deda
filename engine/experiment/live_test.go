package experiment_test

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"strings"
	"testing"

	"sluice/engine"
	"sluice/engine/experiment"
)

// disk keeps files as a data directory does, until broken.
type disk struct {
	files  map[string][]byte
	broken error
}

func newDisk() *disk { return &disk{files: map[string][]byte{}} }

func (d *disk) Read(name string) ([]byte, error) {
	if text, ok := d.files[name]; ok {
		return text, nil
	}
	return nil, fs.ErrNotExist
}

func (d *disk) Replace(name string, text []byte) error {
	if d.broken == nil {
		d.files[name] = text
	}
	return d.broken
}

// rig is a gateway's experiments across reloads and restarts.
type rig struct {
	t    *testing.T
	disk *disk
	book *experiment.Book
	live *experiment.Live
	log  []string
}

func newRig(t *testing.T) *rig {
	r := &rig{t: t, disk: newDisk()}
	r.restart()
	return r
}

func (r *rig) restart() {
	r.book = experiment.Open(r.disk, &engine.Meters{}, func(format string, args ...any) { r.log = append(r.log, fmt.Sprintf(format, args...)) })
}

// arms is a definition with arms a, b, … of these weights, in the first version of their scripts.
func arms(weights ...float64) experiment.Definition {
	d := experiment.Definition{Name: "tier", Slot: engine.SlotFilter, Unit: engine.UnitSession}
	for i, w := range weights {
		name := string(rune('a' + i))
		d.Arms = append(d.Arms, experiment.Arm{Name: name, Script: name + ".star", Version: "1", Weight: w})
	}
	return d
}

// load makes a definition the one that serves.
func (r *rig) load(d experiment.Definition) {
	r.t.Helper()
	live, err := r.book.Plan(d)
	if err != nil {
		r.t.Fatal(err)
	}
	r.book.Adopt([]*experiment.Live{live})
	r.live = live
}

func (r *rig) must(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

func request(principal, session string) *engine.Exchange {
	return &engine.Exchange{Principal: &engine.Principal{Name: principal}, Request: &engine.RequestContext{SessionID: session}}
}

// of is the arm of each of n sessions.
func (r *rig) of(n int, aside uint32) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = r.live.Assign(request("alice", fmt.Sprint("s", i)), aside).Label
	}
	return out
}

func share(arms []string, label string) float64 {
	n := 0
	for _, a := range arms {
		if a == label {
			n++
		}
	}
	return float64(n) / float64(len(arms))
}

func (r *rig) near(arms []string, label string, want float64) {
	r.t.Helper()
	if got := share(arms, label); math.Abs(got-want) > 0.01 {
		r.t.Errorf("%s has %.3f of the units, want %.3f", label, got, want)
	}
}

const units = 100_000

func TestAUnitKeepsItsArm(t *testing.T) {
	r := newRig(t)
	r.load(arms(50, 50))
	before := r.of(units, 0)
	r.near(before, "tier=a", 0.5)
	r.restart()
	r.load(arms(60, 40))
	after := r.of(units, 0)
	moved := 0
	for i := range before {
		if before[i] != after[i] {
			moved++
			if before[i] != "tier=b" {
				t.Fatalf("session %d moved from %s to %s, which lost nothing", i, before[i], after[i])
			}
		}
	}
	if got := float64(moved) / units; math.Abs(got-0.1) > 0.01 {
		t.Errorf("%.3f of the units moved, want 0.1", got)
	}
	r.load(arms(0, 100))
	r.near(r.of(units, 0), "tier=b", 1)
}

func TestWhatAUnitIs(t *testing.T) {
	r := newRig(t)
	d := arms(1, 1, 1, 1, 1, 1, 1, 1)
	same := func(a, b *engine.Exchange, want bool) {
		t.Helper()
		if got := r.live.Assign(a, 0).Unit == r.live.Assign(b, 0).Unit; got != want {
			t.Errorf("%+v and %+v are one unit: %v, want %v", a.Request, b.Request, got, want)
		}
	}
	r.load(d)
	same(request("alice", "s1"), request("alice", "s1"), true)
	same(request("alice", "s1"), request("bob", "s1"), false)
	same(request("alice", "s1"), request("alice", "s2"), false)
	same(request("alice", ""), request("alice", ""), true)
	same(request("alice", ""), request("bob", ""), false)
	d.Unit = engine.UnitPrincipal
	r.load(d)
	same(request("alice", "s1"), request("alice", "s2"), true)
	d.Unit = engine.UnitRequest
	r.load(d)
	one, two := request("alice", "s1"), request("alice", "s1")
	one.Request.RequestID, two.Request.RequestID = "r1", "r2"
	same(one, two, false)
}

func TestAnArmPutAsideSendsItsUnitsToTheOthers(t *testing.T) {
	r := newRig(t)
	r.load(arms(40, 40, 20, 0))
	before, during := r.of(units, 0), r.of(units, 1)
	r.near(during, "tier=a", 0)
	r.near(during, "tier=b", 0.4+0.4*40/60)
	r.near(during, "tier=d", 0)
	for i := range before {
		if before[i] != "tier=a" && before[i] != during[i] {
			t.Fatalf("session %d left %s, which was not put aside", i, before[i])
		}
	}
	v, err := r.book.View("tier")
	r.must(err)
	if got := v.Arms[0].Aside; got != int64(share(before, "tier=a")*units) {
		t.Errorf("%d requests went elsewhere", got)
	}
	r.near(r.of(units, 0b111), "tier=a", 0.4) // nobody is left: each fails by its own rule
}

func TestAPromotionLastsUntilTheConfigChanges(t *testing.T) {
	r := newRig(t)
	r.load(arms(50, 50))
	r.must(r.book.Promote("tier", "b", "admin"))
	r.near(r.of(100, 0), "tier=b", 1)
	r.restart()
	edited := arms(50, 50)
	edited.Arms[1].Version = "2"
	r.load(edited)
	r.near(r.of(100, 0), "tier=b", 1)
	r.load(arms(50, 49))
	r.near(r.of(units, 0), "tier=b", 0.495)
	r.restart()
	r.load(arms(50, 49))
	v, err := r.book.View("tier")
	r.must(err)
	if v.Promoted != nil || len(v.History) != 2 {
		t.Fatalf("promoted is %+v, history %+v", v.Promoted, v.History)
	}
	if e := v.History[0]; e.By != "admin" || e.From != "a 50%, b 50%" || e.To != "b" || e.At.IsZero() {
		t.Errorf("the promotion is told as %+v", e)
	}
	if e := v.History[1]; e.By != "config" || e.From != "b" || e.To != "a 50.51%, b 49.49%" {
		t.Errorf("its end is told as %+v", e)
	}
}

func TestStopEndsAPromotion(t *testing.T) {
	r := newRig(t)
	r.load(arms(50, 50))
	r.must(r.book.Promote("tier", "b", "admin"))
	r.must(r.book.Stop("tier", "admin"))
	r.near(r.of(units, 0), "tier=b", 0.5)
	r.must(r.book.Stop("tier", "admin")) // there is none any more
	if got := strings.Join(r.log, "\n"); got != "experiment tier: from a 50%, b 50% to b, by admin\nexperiment tier: from b to a 50%, b 50%, by admin" {
		t.Errorf("told:\n%s", got)
	}
}

func TestWhatCannotBeKeptDoesNotCount(t *testing.T) {
	r := newRig(t)
	r.load(arms(50, 50))
	r.disk.broken = errors.New("disk full")
	if err := r.book.Promote("tier", "b", "admin"); err == nil || !strings.Contains(err.Error(), "disk full") {
		t.Errorf("promote: %v", err)
	}
	r.near(r.of(units, 0), "tier=b", 0.5)
}

func TestWhatIsUnknownIsRefused(t *testing.T) {
	r := newRig(t)
	refused := func(err error, want string) {
		t.Helper()
		var unknown *experiment.UnknownError
		if !errors.As(err, &unknown) || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	refused(r.book.Stop("tier", "admin"), `no experiment "tier": the config has none`)
	r.load(arms(50, 50))
	refused(r.book.Promote("teir", "a", "admin"), `no experiment "teir", want tier`)
	refused(r.book.Promote("tier", "c", "admin"), `experiment "tier" has no arm "c", want a or b`)
}

func TestAnArmCostsNoAllocationAndAReloadKeepsFigures(t *testing.T) {
	r := newRig(t)
	r.load(arms(50, 50))
	x := request("alice", "s1")
	if n := testing.AllocsPerRun(100, func() { r.live.Assign(x, 0) }); n > 0 {
		t.Errorf("to assign an arm allocates %v times", n)
	}
	c := r.live.Assign(x, 0)
	row := &engine.Record{Status: 200, Upstream: "u"}
	if n := testing.AllocsPerRun(100, func() { r.live.Settle(c, row) }); n > 0 {
		t.Errorf("to settle a known unit allocates %v times", n)
	}
	of := func() int64 {
		v, err := r.book.View("tier")
		r.must(err)
		return v.Arms[c.Arm].Requests
	}
	r.load(arms(50, 50))
	r.load(arms(60, 40))
	if got := of(); got != 101 {
		t.Errorf("%d requests after reloads that change no script, want 101", got)
	}
	edited := arms(60, 40)
	edited.Arms[c.Arm].Version = "2"
	old := r.live
	r.load(edited)
	old.Settle(c, row) // it began under the version before
	if got := of(); got != 0 {
		t.Errorf("%d requests of a new version, want none", got)
	}
}

func BenchmarkAssignAndSettle(b *testing.B) {
	book := experiment.Open(nil, &engine.Meters{}, nil)
	live, err := book.Plan(arms(50, 50))
	if err != nil {
		b.Fatal(err)
	}
	x := request("alice", "0123456789abcdef")
	row := &engine.Record{Status: 200, Upstream: "u", CostMicroUSD: 10}
	b.ReportAllocs()
	for b.Loop() {
		live.Settle(live.Assign(x, 0), row)
	}
}

func TestAPromotionEndsWithItsExperiment(t *testing.T) {
	r := newRig(t)
	r.load(arms(50, 50))
	r.must(r.book.Promote("tier", "b", "admin"))
	r.book.Adopt(nil) // a config without it
	r.restart()
	r.load(arms(50, 50))
	r.near(r.of(units, 0), "tier=b", 0.5)
	v, err := r.book.View("tier")
	r.must(err)
	if n := len(v.History); n != 2 || v.History[1].By != "config" || v.History[1].From != "b" || v.History[1].To != "no experiment" {
		t.Errorf("its end is told as %+v", v.History)
	}
	if got := r.log[len(r.log)-1]; got != "experiment tier: the config has it no more: arm b is promoted no more" {
		t.Errorf("told: %s", got)
	}
}
