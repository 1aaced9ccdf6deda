package experiment

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"sluice/engine"
)

// View is an experiment for people to read. Times of scripts are in microseconds.
type View struct {
	Name     string          `json:"name"`
	Slot     engine.SlotKind `json:"slot"`
	Unit     engine.Unit     `json:"unit"`
	Promoted *Promotion      `json:"promoted"` // null: the weights hold
	Arms     []ArmView       `json:"arms"`
	Shadows  []ShadowView    `json:"shadow"`
	Measures []Measure       `json:"measures"`
	Verdict  string          `json:"verdict"`
	Winner   *string         `json:"winner"` // null: none can be called
	History  []Event         `json:"history"`
}

// Calls are the calls of one version of one script.
type Calls struct {
	Script   string    `json:"script"`
	Version  string    `json:"version"` // over the script and its libraries
	Since    time.Time `json:"since"`   // when this version began to count
	Calls    int64     `json:"calls"`
	Recalled int64     `json:"recalled"` // of the calls, those that the filter's memory answered
	Errors   int64     `json:"errors"`   // its own, and outputs that were refused
	Overruns int64     `json:"overruns"`
	Aside    int64     `json:"aside"`  // requests that it did not get, or decide, because it was put aside
	P50      float64   `json:"p50_us"` // of all calls: what a request waits for
	P99      float64   `json:"p99_us"`
}

// ArmView is one arm.
type ArmView struct {
	Name   string  `json:"name"`
	Weight float64 `json:"weight"`
	Share  float64 `json:"share"` // of the units, 0 to 1, as long as nothing is put aside
	Calls
	Requests  int64            `json:"requests"`
	Units     int              `json:"units"`
	Statuses  map[string]int64 `json:"status"` // by class, such as 2xx
	Upstreams map[string]int64 `json:"upstreams"`
	TTFBP50   float64          `json:"ttfb_p50_ms"`
	TTFBP99   float64          `json:"ttfb_p99_ms"`
	Input     int64            `json:"input_tokens"` // with what was read from caches, and written there
	Output    int64            `json:"output_tokens"`
	CostUSD   float64          `json:"cost_usd"`
}

// ShadowView is one shadow.
type ShadowView struct {
	Name string `json:"name"`
	Calls
	Compared  int64                     `json:"compared"`
	Agreement *float64                  `json:"agreement"` // share of the compared that it decided the same, reasons included; null: none yet
	Likeness  map[engine.Likeness]int64 `json:"likeness"`
	Dropped   int64                     `json:"dropped"`   // not compared, since too many waited
	Differing []Differing               `json:"differing"` // the latest, oldest first
}

// Measure is what one arm has of one measure beside another.
type Measure struct {
	Name       string   `json:"name"`
	Arm        string   `json:"arm"`
	Against    string   `json:"against"`
	Means      [2]*Mean `json:"means"`      // of Against, of Arm; null: none yet
	Difference *float64 `json:"difference"` // null: one has no unit
	Low        *float64 `json:"low"`        // null: too few units to say
	High       *float64 `json:"high"`
	Better     *string  `json:"better"` // null: they do not differ, as far as one can tell
}

// Mean is the mean over units of each unit's own mean.
type Mean struct {
	Value float64 `json:"value"`
	Units int     `json:"units"`
}

var measureNames = [measures]string{"ttfb_seconds", "success_rate", "cost_usd"}

// Views are the experiments that serve, in the order of the config.
func (b *Book) Views() []View {
	b.mu.Lock()
	defer b.mu.Unlock()
	out := []View{}
	for _, l := range b.served {
		out = append(out, l.view())
	}
	return out
}

// View is one of them. An error is an *UnknownError.
func (b *Book) View(name string) (View, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	l, err := b.find(name)
	if err != nil {
		return View{}, err
	}
	return l.view(), nil
}

// view is called with Book.mu held.
func (l *Live) view() View {
	d := &l.def
	v := View{Name: d.Name, Slot: d.Slot, Unit: d.Unit, Promoted: l.trial.kept.Promoted, Shadows: []ShadowView{}, Measures: []Measure{},
		History: slices.Clone(l.trial.kept.History)}
	if v.History == nil {
		v.History = []Event{}
	}
	var samples [][measures]sample
	for i := range d.Arms {
		arm, sampled := l.arms[i].viewArm(&d.Arms[i])
		arm.Share = float64(l.shares[i]) / Slots
		if v.Promoted != nil {
			arm.Share = 0
			if v.Promoted.Arm == arm.Name {
				arm.Share = 1
			}
		}
		v.Arms, samples = append(v.Arms, arm), append(samples, sampled)
	}
	for i := range d.Shadows {
		v.Shadows = append(v.Shadows, l.shadows[i].viewShadow(&d.Shadows[i]))
	}
	v.compare(samples)
	return v
}

func (c *counts) viewCalls(a *Arm) Calls {
	m := c.meter
	return Calls{Script: a.Script, Version: a.Version, Since: c.since.UTC(), Calls: m.Calls.Load(), Recalled: m.Recalled.Load(), Errors: m.Errors.Load() + m.Invalid.Load(),
		Overruns: m.Overruns.Load(), Aside: m.Aside.Load() + c.diverted.Load(), P50: micros(m.Quantile(0.5)), P99: micros(m.Quantile(0.99))}
}

func micros(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1000 }

func (c *counts) viewArm(a *Arm) (ArmView, [measures]sample) {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := &c.total
	v := ArmView{Name: a.Name, Weight: a.Weight, Calls: c.viewCalls(a), Requests: t.Requests, Units: c.units.seen, Statuses: map[string]int64{},
		Upstreams: map[string]int64{}, TTFBP50: micros(c.ttfb.Quantile(0.5)) / 1000, TTFBP99: micros(c.ttfb.Quantile(0.99)) / 1000,
		Input: t.Usage.InputTokens + t.Usage.CacheReadInputTokens + t.Usage.CacheCreationInputTokens, Output: t.Usage.OutputTokens,
		CostUSD: float64(t.CostMicro) / 1e6}
	for class, n := range t.Statuses {
		if n > 0 {
			v.Statuses[fmt.Sprintf("%dxx", class)] = n
		}
	}
	for name, n := range t.Upstreams {
		if name != "" {
			v.Upstreams[name] = n
		}
	}
	return v, c.measure
}

func (c *counts) viewShadow(a *Arm) ShadowView {
	s := &c.shadow
	s.mu.Lock()
	defer s.mu.Unlock()
	v := ShadowView{Name: a.Name, Calls: c.viewCalls(a), Dropped: s.dropped.Load(), Likeness: map[engine.Likeness]int64{},
		Differing: append([]Differing{}, s.differing...)}
	for likeness, n := range s.likeness {
		v.Likeness[likeness] = n
		if likeness != engine.NoDecision {
			v.Compared += n
		}
	}
	if v.Compared > 0 {
		share := float64(v.Likeness[engine.SameDecision]) / float64(v.Compared)
		v.Agreement = &share
	}
	return v
}

// compare holds each arm against each before it. better[i][j] says that arm i is better than arm j in something.
func (v *View) compare(samples [][measures]sample) {
	better, few := make([][]bool, len(samples)), false
	for i := range samples {
		better[i] = make([]bool, len(samples))
	}
	comparisons := measures * len(samples) * (len(samples) - 1) / 2
	for i := range samples {
		for j := range i {
			for n := range measures {
				m := v.measure(n, j, i, compare(&samples[j][n], &samples[i][n], comparisons))
				m.Means = [2]*Mean{samples[j][n].view(), samples[i][n].view()}
				if m.Means[0] == nil || m.Means[1] == nil {
					m.Difference = nil
				}
				switch {
				case m.Better == nil:
				case *m.Better == v.Arms[i].Name:
					better[i][j] = true
				default:
					better[j][i] = true
				}
				few = few || n == bySuccess && m.Low == nil && v.tries(i) && v.tries(j)
				v.Measures = append(v.Measures, m)
			}
		}
	}
	v.judge(better, few)
}

// measure is the n-th measure of arm i beside arm j, which is before it.
func (v *View) measure(n, j, i int, in Interval) Measure {
	m := Measure{Name: measureNames[n], Arm: v.Arms[i].Name, Against: v.Arms[j].Name, Difference: &in.Difference}
	if !math.IsInf(in.Low, 0) {
		m.Low, m.High = &in.Low, &in.High
	}
	if in.Decided() {
		won := i
		if in.Difference > 0 == (n != bySuccess) { // more time or cost is worse, and less success
			won = j
		}
		m.Better = &v.Arms[won].Name
	}
	return m
}

// tries reports whether an arm takes part: one that has no weight, and had none for long enough, does not.
func (v *View) tries(i int) bool { return v.Arms[i].Weight > 0 || v.Arms[i].Units >= MinUnits }

func (s *sample) view() *Mean {
	if s.units == 0 {
		return nil
	}
	return &Mean{s.mean(), s.units}
}

// judge calls a winner: the one arm that is better than each other one in something, and worse in nothing.
func (v *View) judge(better [][]bool, few bool) {
	var ahead []string
	decided, tried := false, 0
	for i := range better {
		if v.tries(i) {
			tried++
		}
	}
	for i := range better {
		beaten := 0
		for j := range better {
			decided = decided || better[i][j]
			if better[i][j] && !better[j][i] {
				ahead = append(ahead, v.Arms[i].Name+" is better than "+v.Arms[j].Name)
				beaten++
			}
		}
		if tried > 1 && beaten == tried-1 {
			v.Winner = &v.Arms[i].Name
		}
	}
	switch {
	case tried < 2:
		v.Verdict = "one arm alone: nothing to compare it with"
	case v.Winner != nil:
		v.Verdict = *v.Winner + " is better"
	case len(ahead) > 0:
		v.Verdict = strings.Join(ahead, ", ")
	case decided:
		v.Verdict = "each is better in something"
	case few:
		v.Verdict = fmt.Sprintf("too few units to call a winner: each arm needs %d", MinUnits)
	default:
		v.Verdict = "no difference that one could tell"
	}
}
