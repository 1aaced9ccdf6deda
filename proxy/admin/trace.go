package admin

import (
	"time"

	"github.com/google/uuid"

	"sluice/engine"
)

// Trace tells how a request was decided.
type Trace struct {
	Stages   []Stage   `json:"stages"`
	Picked   *Picked   `json:"picked"` // null: nobody
	Attempts []Attempt `json:"attempts"`
	Errors   []Fault   `json:"errors"`
}

// Stage is what one filter made of the candidates.
type Stage struct {
	Name     string    `json:"name"`
	Script   string    `json:"script,omitempty"` // its version
	Kept     []string  `json:"kept"`             // names of upstreams
	Dropped  []Dropped `json:"dropped,omitempty"`
	Reason   string    `json:"reason,omitempty"`
	Error    string    `json:"error,omitempty"`
	Denied   bool      `json:"denied,omitempty"`
	Duration float64   `json:"duration_us"`
}

// Dropped is one candidate that did not pass, and why.
type Dropped struct {
	Upstream string `json:"upstream"`
	Reason   string `json:"reason"`
}

// Picked is the choice among the kept.
type Picked struct {
	Upstream string `json:"upstream"`
	By       string `json:"by"`
	Script   string `json:"script,omitempty"` // version of the router
}

// Attempt is one upstream tried.
type Attempt struct {
	Upstream string  `json:"upstream"`
	Status   int     `json:"status"`
	Error    string  `json:"error,omitempty"`
	TTFBMS   float64 `json:"ttfb_ms"`
	// Class is whose failure it was, "" = nobody's; Cooled what it made cool until Until.
	Class  engine.FailureClass `json:"class,omitempty"`
	Cooled string              `json:"cooled,omitempty"`
	Until  *time.Time          `json:"until,omitempty"`
}

// Fault is a failure that was recorded on the way.
type Fault struct {
	Stage   engine.InternalErrorStage `json:"stage"`
	Kind    engine.InternalErrorKind  `json:"kind"`
	Message string                    `json:"message"`
	Stack   []string                  `json:"stack,omitempty"` // of a script, innermost first
}

// viewTrace shows a trace with the names of upstreams in the place of their ids.
func viewTrace(t *engine.RoutingTrace) *Trace {
	out := &Trace{Stages: []Stage{}, Attempts: []Attempt{}, Errors: []Fault{}}
	for _, s := range t.Stages {
		out.Stages = append(out.Stages, viewStage(s, t.Name))
	}
	if t.Terminal.Upstream != "" {
		out.Picked = &Picked{t.Terminal.Upstream, t.Terminal.By, t.Terminal.Script}
	}
	for _, a := range t.Attempts {
		one := Attempt{Upstream: a.Upstream, Status: a.Status, Error: a.Error, TTFBMS: millis(a.TTFB), Class: a.Class}
		if a.Cooling.Class != "" {
			one.Cooled, one.Until = a.Cooling.String(), moment(a.Cooling.Until)
		}
		out.Attempts = append(out.Attempts, one)
	}
	for _, e := range t.Errors {
		out.Errors = append(out.Errors, Fault{e.Stage, e.Kind, e.Message, e.Stack})
	}
	return out
}

func viewStage(s engine.StageDecision, name func(uuid.UUID) string) Stage {
	out := Stage{Name: s.Stage, Script: s.Script, Kept: []string{}, Reason: s.Reason, Error: s.Error, Denied: s.Denied, Duration: micros(s.Duration)}
	for _, id := range s.Kept {
		out.Kept = append(out.Kept, name(id))
	}
	for _, d := range s.Dropped {
		if !d.Kept {
			out.Dropped = append(out.Dropped, Dropped{name(d.UpstreamID), d.Reason})
		}
	}
	return out
}
