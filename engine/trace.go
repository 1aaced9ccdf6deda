package engine

import (
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
)

// RoutingTrace tells how one request was decided. The request's goroutine writes it; it is read-only once the request ended.
type RoutingTrace struct {
	Candidates []UpstreamCandidate // whom the chain began with, as they were at that moment
	Stages     []StageDecision
	Terminal   TerminalDecision // the zero value: no upstream was picked
	Attempts   []Attempt
	// Errors are the failures that the request survived, the first of them, and the one that ended it.
	Errors []InternalError
}

// StageDecision is what one filter or the router made of the candidates.
type StageDecision struct {
	Stage    string // the binding's name
	Script   string // its version
	Kept     []uuid.UUID
	Dropped  []PerCandidateReason
	Reason   string
	Error    string // why the stage was passed over, "" = it was not
	Denied   bool
	Duration time.Duration
}

// TerminalDecision is the pick among the kept candidates.
type TerminalDecision struct {
	Upstream string
	By       string // a strategy's name, or "router"
	Script   string // version of the router, "" = the strategy picked
}

// Attempt is one upstream tried.
type Attempt struct {
	Upstream string
	Status   int           // 0 = no answer
	Error    string        // "" = an answer came
	TTFB     time.Duration // from dispatch to the answer's head
	Class    FailureClass  // "" = no failure of the upstream
	Cooling  Cooling       // what it made cool
}

// InternalErrorStage names where in the pipeline an InternalError arose.
type InternalErrorStage string

// The stages.
const (
	StageAuthn    InternalErrorStage = "authn"
	StageFilter   InternalErrorStage = "router_filter"
	StageRouter   InternalErrorStage = "router"
	StageShape    InternalErrorStage = "shape"
	StageSigner   InternalErrorStage = "signer"
	StageRelay    InternalErrorStage = "relay"
	StageObserver InternalErrorStage = "observer"
)

// InternalErrorKind classifies an InternalError.
type InternalErrorKind string

// The kinds.
const (
	InternalPluginError   InternalErrorKind = "PluginError"
	InternalInvalidOutput InternalErrorKind = "InvalidOutput"
	InternalTrap          InternalErrorKind = "Trap"
	InternalConfigError   InternalErrorKind = "ConfigError"
	InternalTimeout       InternalErrorKind = "Timeout"
	InternalUnavailable   InternalErrorKind = "Unavailable"
)

// InternalError is a side record of a failure. Message carries no secret and is cut at MaxErrorMessage bytes.
type InternalError struct {
	Stage   InternalErrorStage
	Kind    InternalErrorKind
	Message string
	Stack   []string // of a script, innermost first; may be empty

	Code  Code  // what a request ends with that does not survive it
	cause error // what that refusal says is its cause
}

// Survived returns the failures that did not end a request: all but the one that its end, nil = a good one, comes from.
func (t *RoutingTrace) Survived(end error) []InternalError {
	for i := len(t.Errors) - 1; i >= 0 && end != nil; i-- {
		if cause := t.Errors[i].cause; cause != nil && errors.Is(end, cause) {
			return slices.Delete(slices.Clone(t.Errors), i, i+1)
		}
	}
	return t.Errors
}

// MaxErrorMessage caps a recorded message, in bytes.
const MaxErrorMessage = 1024

// maxErrors is how many failures of one request are recorded.
const maxErrors = 64

// stage begins to record one.
func (t *RoutingTrace) stage() *StageDecision {
	t.Stages = append(t.Stages, StageDecision{})
	return &t.Stages[len(t.Stages)-1]
}

// attempt begins to record one.
func (t *RoutingTrace) attempt(upstream string) *Attempt {
	t.Attempts = append(t.Attempts, Attempt{})
	a := &t.Attempts[len(t.Attempts)-1]
	a.Upstream = upstream
	return a
}

// fail records a failure. Where there are many already it takes the place of the last: the one that ends the request is told in any case.
func (t *RoutingTrace) fail(e InternalError) {
	e.Message = Cut(e.Message, MaxErrorMessage)
	t.Errors = append(t.Errors[:min(len(t.Errors), maxErrors-1)], e)
}

// failed records the failure of a plugin, and counts it. code is what a request ends with that does not survive it.
func (t *RoutingTrace) failed(stage InternalErrorStage, code Code, m *Meter, err error) {
	e := InternalError{Stage: stage, Kind: count(m, err), Message: err.Error(), Code: code, cause: err}
	if se := scriptErrorOf(err); se != nil {
		e.Stack = se.Stack
	}
	t.fail(e)
}

// Cut shortens s to at most n bytes without breaking a UTF-8 sequence. What it cuts off is not kept in memory.
func Cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && s[n]&0xC0 == 0x80 {
		n--
	}
	return strings.Clone(s[:n])
}

// Name is the name of an upstream that was a candidate; of any other it is the id.
func (t *RoutingTrace) Name(id uuid.UUID) string {
	for i := range t.Candidates {
		if t.Candidates[i].ID == id {
			return t.Candidates[i].Name
		}
	}
	return id.String()
}
