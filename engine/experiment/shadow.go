package experiment

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"sluice/engine"
)

const (
	// glance is how often the lab looks for decisions. Nobody wakes it: that would cost the request.
	glance = 5 * time.Millisecond
	// maxDiffering is how many differing requests are kept for each shadow, the latest.
	maxDiffering = 100
)

// Lab runs shadows, one call after the other, on a goroutine of its own, which begins with the first experiment that has any. One serves a
// process. NewLab makes it, Close ends it.
type Lab struct {
	ring  *ring
	begin sync.Once
	stop  chan struct{}
	done  sync.WaitGroup
}

// NewLab makes a lab without anything to do.
func NewLab() *Lab { return &Lab{ring: newRing(), stop: make(chan struct{})} }

// Close ends the lab, after the call that it is at. What waits is dropped.
func (lab *Lab) Close() {
	lab.begin.Do(func() {})
	close(lab.stop)
	lab.done.Wait()
}

func (lab *Lab) run() {
	ticker := time.NewTicker(glance)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
		case <-lab.stop:
			return
		}
		lab.empty()
	}
}

// empty decides all that waits.
func (lab *Lab) empty() {
	var j job
	for lab.ring.take(&j) {
		select {
		case <-lab.stop:
			return
		default:
		}
		for i, shadow := range j.decided.Shadows {
			j.live.shadows[i].shadow.compared(&j.decided, j.decided.Compare(shadow))
		}
	}
}

// Shadowing is where the decisions of an experiment's binding go.
func (l *Live) Shadowing(lab *Lab) engine.Shadowing {
	lab.begin.Do(func() { lab.done.Go(lab.run) })
	return shadowing{l, lab}
}

type shadowing struct {
	live *Live
	lab  *Lab
}

// Offer has the shadows decide the same, unless too much waits already.
func (s shadowing) Offer(d engine.Decided) {
	if s.lab.ring.put(&d, s.live) {
		return
	}
	for _, c := range s.live.shadows {
		c.shadow.dropped.Add(1)
	}
}

// Decision is one side of a comparison.
type Decision struct {
	Kept    []string          `json:"kept"` // names of upstreams, sorted
	Denied  bool              `json:"denied,omitempty"`
	Reason  string            `json:"reason"`
	Reasons map[string]string `json:"reasons,omitempty"` // by name
	Picked  string            `json:"picked,omitempty"`  // only where the kept differ
	Error   string            `json:"error,omitempty"`
}

// Differing is a request about which a shadow decided otherwise.
type Differing struct {
	At        time.Time       `json:"at"`
	RequestID string          `json:"request_id"`
	Inputs    string          `json:"inputs"` // a digest of all that the decision could see
	Differs   engine.Likeness `json:"differs"`
	Served    Decision        `json:"served"`
	Shadow    Decision        `json:"shadow"`
}

// compared counts a comparison.
func (s *shadowCounts) compared(d *engine.Decided, c engine.Comparison) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.likeness == nil {
		s.likeness = make(map[engine.Likeness]int64)
	}
	s.likeness[c.Likeness]++
	if c.Likeness == engine.SameDecision || c.Likeness == engine.NoDecision {
		return
	}
	one := Differing{At: d.Request.Now.UTC(), RequestID: d.Request.RequestID, Inputs: digest(d), Differs: c.Likeness,
		Served: decision(d, &d.Stage, c.Picks[0]), Shadow: decision(d, &c.Shadow, c.Picks[1])}
	s.differing = append(s.differing, one)
	if len(s.differing) > maxDiffering {
		s.differing = slices.Delete(s.differing, 0, 1)
	}
}

// shadowCounts are how often a shadow decided as the arm that served.
type shadowCounts struct {
	dropped atomic.Int64

	mu        sync.Mutex
	likeness  map[engine.Likeness]int64 // guarded by mu
	differing []Differing               // guarded by mu; oldest first
}

func decision(d *engine.Decided, s *engine.StageDecision, picked string) Decision {
	name := func(id uuid.UUID) string {
		for i := range d.Candidates {
			if d.Candidates[i].ID == id {
				return d.Candidates[i].Name
			}
		}
		return id.String()
	}
	out := Decision{Kept: []string{}, Denied: s.Denied, Reason: s.Reason, Picked: picked, Error: s.Error}
	for _, id := range s.Kept {
		out.Kept = append(out.Kept, name(id))
	}
	slices.Sort(out.Kept)
	for _, r := range s.Dropped {
		if out.Reasons == nil {
			out.Reasons = make(map[string]string)
		}
		out.Reasons[name(r.UpstreamID)] = r.Reason
	}
	return out
}

// digest is the same for two requests where a filter could see the same, their ids and times apart.
func digest(d *engine.Decided) string {
	h, r := sha256.New(), &d.Request
	fmt.Fprintf(h, "%q %q %q %q %q %q %v %d %q", d.Principal.Name, r.SessionID, r.Method, r.Path, r.Query, r.Model, r.Stream, r.MaxTokens, r.ServiceTier)
	for _, line := range r.Headers {
		fmt.Fprintf(h, "\n%q %q", line.Name, line.Value)
	}
	for i := range d.Candidates {
		fmt.Fprintf(h, "\n%v %+v", d.Candidates[i].ID, *d.Candidates[i].Vitals)
	}
	h.Write(r.Body)
	return fmt.Sprintf("sha256:%x", h.Sum(nil))
}
