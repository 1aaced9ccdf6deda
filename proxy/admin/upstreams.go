package admin

import (
	"time"

	"sluice/engine"
)

// upstream is one account as /v1/upstreams shows it.
type upstream struct {
	ID          string              `json:"id"`
	Name        string              `json:"name"`
	Kind        engine.UpstreamKind `json:"kind"`
	BaseURL     string              `json:"base_url"`
	Healthy     bool                `json:"healthy"` // it may be asked
	CooldownMS  int64               `json:"cooldown_ms"`
	Cooling     *cooling            `json:"cooling"` // null: it does not cool
	CoolsFor    []modelCooling      `json:"cooling_models"`
	Clients     *clients            `json:"clients"` // null: its credential is ours
	Breaker     string              `json:"breaker"`
	InFlight    int                 `json:"in_flight"`
	Concurrency int                 `json:"concurrency"`
	Queued      int                 `json:"queued"`
	QueueMax    int                 `json:"queue_max"`
	ErrorRate   float64             `json:"error_rate"`
	TTFBMS      float64             `json:"ttfb_ms"`
	RateLimits  []rateLimit         `json:"rate_limits"`
	Quotas      []quota             `json:"quotas"`

	ReconnectRequired bool   `json:"reconnect_required"` // nothing is sent to it until a person has connected it anew
	CredentialError   string `json:"credential_error"`   // why its credential was not renewed the last time, "" = it was
}

// cooling is why an account is left alone.
type cooling struct {
	Reason engine.FailureClass `json:"reason"`
	Until  time.Time           `json:"until"`
	Soft   bool                `json:"soft"` // it is asked all the same when nobody else is free
}

// modelCooling is why an account is left alone for one model or family of models, which clients choose the names of.
type modelCooling struct {
	Model      string `json:"model"`
	Family     bool   `json:"family"`
	CooldownMS int64  `json:"cooldown_ms"`
	cooling
}

// perModel is the power of a VitalsSource that knows for which models an account cools.
type perModel interface {
	CoolingModels(u *engine.Upstream, now time.Time) []engine.Cooling
}

// clients is how those do whose own credentials are passed on. It says nothing of who they are.
type clients struct {
	Cooling int        `json:"cooling"` // how many of them take no request, at least for some model
	Until   *time.Time `json:"until"`   // when the last of them may be asked again; null: none cools
}

// perClient is the power of a VitalsSource that keeps the accounts of clients apart.
type perClient interface {
	Clients(u *engine.Upstream, now time.Time) (cooling int, until time.Time)
}

type rateLimit struct {
	Kind      string     `json:"kind"`
	Window    string     `json:"window"`
	Limit     *int64     `json:"limit"`
	Remaining *int64     `json:"remaining"`
	Resets    *time.Time `json:"resets"`
}

type quota struct {
	Window      string     `json:"window"`
	State       string     `json:"state"`
	Status      string     `json:"status"`
	Utilization *float64   `json:"utilization"`
	Resets      *time.Time `json:"resets"`
}

func (s *Server) upstreams() map[string][]upstream {
	out := []upstream{}
	if g := s.opts.World.Lease(); g != nil {
		defer g.Release()
		now := time.Now()
		for _, u := range g.Upstreams {
			one := viewUpstream(u, s.opts.Vitals.Vitals(u.Upstream, now), now)
			if v, ok := s.opts.Vitals.(perModel); ok {
				one.CoolsFor = viewModels(v.CoolingModels(u.Upstream, now), now)
			}
			if v, ok := s.opts.Vitals.(perClient); ok && u.ForwardsClient {
				n, until := v.Clients(u.Upstream, now)
				one.Clients = &clients{n, moment(until)}
			}
			out = append(out, one)
		}
	}
	return map[string][]upstream{"upstreams": out}
}

func viewUpstream(u *engine.UpstreamSlot, v *engine.Vitals, now time.Time) upstream {
	out := upstream{ID: u.ID.String(), Name: u.Name, Kind: u.Kind, BaseURL: u.BaseURL.String(), Healthy: v.Healthy,
		CooldownMS: v.Cooldown.Milliseconds(), Breaker: v.Breaker, InFlight: v.InFlight, Concurrency: v.Concurrency,
		Queued: v.Queued, QueueMax: u.Queue.Max, CoolsFor: []modelCooling{},
		ErrorRate: v.ErrorRate, TTFBMS: millis(v.TTFB), RateLimits: []rateLimit{}, Quotas: []quota{}}
	if c := v.Cooling; c.Class != "" {
		out.Cooling = &cooling{c.Class, c.Until, c.Soft}
	}
	state := u.CredentialState()
	out.Healthy = out.Healthy && !state.Reconnect
	out.ReconnectRequired, out.CredentialError = state.Reconnect, state.Error
	for _, r := range v.RateLimits {
		out.RateLimits = append(out.RateLimits, rateLimit{r.Kind, r.Window, known(r.Limit), known(r.Remaining), moment(r.Resets)})
	}
	for _, q := range v.Quotas {
		out.Quotas = append(out.Quotas, quota{q.Window, q.State(now), q.Status, known(q.Utilization), moment(q.Resets)})
	}
	return out
}

func viewModels(cs []engine.Cooling, now time.Time) []modelCooling {
	out := make([]modelCooling, 0, len(cs))
	for _, c := range cs {
		model := engine.Visible(engine.Cut(c.Scope, engine.MaxReason))
		out = append(out, modelCooling{model, c.Family, c.Until.Sub(now).Milliseconds(), cooling{c.Class, c.Until, c.Soft}})
	}
	return out
}

// known is nil for the -1 that stands for "not said".
func known[N int64 | float64](n N) *N {
	if n < 0 {
		return nil
	}
	return &n
}

func moment(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}
