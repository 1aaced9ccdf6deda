package admin

import (
	"slices"
	"time"

	"sluice/engine"
	"sluice/engine/reload"
)

// script is one script and the version of it that serves.
type script struct {
	Path        string       `json:"path"`
	SHA256      string       `json:"sha256"`       // of the script's bytes that serve, as sha256sum prints it
	VersionLive string       `json:"version_live"` // over the script and the libraries it loads
	LoadedAt    time.Time    `json:"loaded_at"`
	Current     bool         `json:"current"`      // what is on disk is what serves
	LastError   *scriptError `json:"last_error"`   // null: the newest version serves
	LastFailure *scriptError `json:"last_failure"` // of a call while it served; null: none failed
	Tests       int          `json:"tests_passed"`
	Calls       int64        `json:"calls"`
	Errors      int64        `json:"errors"`
	Overruns    int64        `json:"overruns"`
	Abandoned   int64        `json:"abandoned"` // calls that could not be stopped
	Stuck       int64        `json:"stuck"`     // calls that run still, though their requests went on
	Aside       []aside      `json:"aside"`     // for whom it does not run; empty: it runs for everybody
	P50         float64      `json:"p50_us"`    // microseconds
	P99         float64      `json:"p99_us"`
}

// aside is for whom a script does not run, and how long.
type aside struct {
	Principal *string    `json:"principal"` // null: for all
	Until     *time.Time `json:"until"`     // null: until it is edited
	Why       string     `json:"why"`
}

// scriptError is why the newest version of a script does not serve.
type scriptError struct {
	File    string   `json:"file"`
	Line    int      `json:"line"`   // 0 = unknown
	Column  int      `json:"column"` // 0 = unknown
	Message string   `json:"message"`
	Stack   []string `json:"stack,omitempty"` // innermost first
}

// reloads counts what became of changed files.
type reloads struct {
	OK        uint64    `json:"ok"`
	Failed    uint64    `json:"failed"`
	LastOK    time.Time `json:"last_ok"`
	LastError string    `json:"last_error"` // why the config on disk is not in force, "" = it is
}

type status struct {
	Generation uint64    `json:"generation"`
	Since      time.Time `json:"since"`
	Reloads    reloads   `json:"reloads"`
	Scripts    []script  `json:"scripts"`
}

func (s *Server) status() status {
	seen := s.opts.Loop.Status()
	out := status{Generation: seen.Generation, Since: seen.Since, Scripts: []script{},
		Reloads: reloads{OK: seen.OK, Failed: seen.Failed, LastOK: seen.LastOK}}
	if seen.Refused != nil {
		out.Reloads.LastError = seen.Refused.Error()
	}
	meters := s.metersByScript()
	for _, one := range seen.Scripts {
		view := viewScript(one)
		view.count(meters[one.Path])
		view.stand(s.opts.Standings.Get(one.Path, one.Version.SHA256))
		out.Scripts = append(out.Scripts, view)
	}
	return out
}

func viewScript(s reload.ScriptStatus) script {
	v := s.Version
	out := script{Path: s.Path, SHA256: v.FileSHA256, VersionLive: v.SHA256, LoadedAt: v.LoadedAt, Tests: v.Tests,
		Current: len(s.Errors) == 0}
	if !out.Current {
		out.LastError = viewError(s.Errors[0])
	}
	return out
}

func viewError(e *engine.ScriptError) *scriptError {
	if e == nil {
		return nil
	}
	return &scriptError{e.File, e.Line, e.Column, e.Message, e.Stack}
}

// stand tells whether the version that serves may run. st may be nil.
func (s *script) stand(st *engine.Standing) {
	s.Aside = []aside{}
	if st == nil {
		return
	}
	s.Abandoned, s.Stuck = st.Abandoned.Load(), st.Stuck.Load()
	for _, a := range st.Asides() {
		view := aside{Why: a.Why}
		if a.Principal != engine.GlobalPrincipal {
			view.Principal = &a.Principal
		}
		if !a.Until.IsZero() {
			view.Until = &a.Until
		}
		s.Aside = append(s.Aside, view)
	}
}

// count adds up what the slots that a script is bound to have seen. Quantiles are those of the busiest slot.
func (s *script) count(meters []*engine.Meter) {
	var busiest *engine.Meter
	for _, m := range meters {
		s.Calls += m.Calls.Load()
		s.Errors += m.Errors.Load() + m.Invalid.Load()
		s.Overruns += m.Overruns.Load()
		if failure := m.Last(); failure != nil {
			s.LastFailure = viewError(failure)
		}
		if busiest == nil || m.Calls.Load() > busiest.Calls.Load() {
			busiest = m
		}
	}
	if busiest != nil {
		s.P50, s.P99 = micros(busiest.Quantile(0.5)), micros(busiest.Quantile(0.99))
	}
}

func micros(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1000 }

func millis(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// metersByScript finds the meters of every slot that serves by its script's path.
func (s *Server) metersByScript() map[string][]*engine.Meter {
	out := make(map[string][]*engine.Meter)
	g := s.opts.World.Lease()
	if g == nil {
		return out
	}
	defer g.Release()
	add := func(script string, m *engine.Meter) {
		if !slices.Contains(out[script], m) { // the arms of an experiment may serve in several places
			out[script] = append(out[script], m)
		}
	}
	filters := func(chain []*engine.FilterSlot) {
		for _, f := range chain {
			for _, own := range f.All() {
				add(own.Script, own.Meter)
			}
		}
	}
	filters(g.Filters)
	for _, p := range g.Principals {
		filters(g.OwnFilters[p])
	}
	if g.Router != nil {
		add(g.Router.Script, g.Router.Meter)
	}
	for _, u := range g.Upstreams {
		for _, own := range u.Dialect.All() {
			add(own.Script, own.Meter)
		}
	}
	for _, o := range g.Observers.Slots() {
		add(o.Script, o.Meter)
	}
	return out
}
