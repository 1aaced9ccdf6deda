package admin_test

import (
	"slices"
	"strconv"
	"testing"
	"time"
)

// upstream is an upstream as an outsider reads it.
type upstream struct {
	ID, Name, Kind, Breaker string
	BaseURL                 string `json:"base_url"`
	Healthy                 bool
	InFlight                int      `json:"in_flight"`
	Concurrency             int      `json:"concurrency"`
	CooldownMS              int64    `json:"cooldown_ms"`
	ErrorRate               float64  `json:"error_rate"`
	TTFBMS                  float64  `json:"ttfb_ms"`
	RateLimits              []window `json:"rate_limits"`
	Quotas                  []window
	Queued                  int
	QueueMax                int `json:"queue_max"`
	Cooling                 *struct {
		Reason string
		Until  time.Time
		Soft   bool
	}
	CoolingModels []struct {
		Model, Reason string
		Family, Soft  bool
		CooldownMS    int64 `json:"cooldown_ms"`
		Until         time.Time
	} `json:"cooling_models"`
}

type window struct {
	Kind, Window, State, Status string
	Limit, Remaining            *int64
	Utilization                 *float64
	Resets                      *time.Time
}

func (r *rig) upstreams() []upstream {
	r.t.Helper()
	var seen struct{ Upstreams []upstream }
	r.get("/v1/upstreams", &seen)
	return seen.Upstreams
}

func TestUpstreamsThatNobodyAskedAreShownAsUnknown(t *testing.T) {
	r := newRig(t)
	all := r.upstreams()
	if len(all) != 2 || all[0].ID >= all[1].ID {
		t.Fatalf("%+v, want two, sorted by id", all)
	}
	for _, u := range all {
		if sim := r.sims[u.Name]; sim == nil || u.BaseURL != sim.URL() || u.Kind != "anthropic_direct" || len(u.ID) != 36 {
			t.Errorf("%+v", u)
		}
		if !u.Healthy || u.Breaker != "closed" || u.InFlight != 0 || u.ErrorRate != 0 || u.TTFBMS != 0 {
			t.Errorf("%+v", u)
		}
		if u.RateLimits == nil || len(u.RateLimits) != 0 || u.Quotas == nil || len(u.Quotas) != 0 {
			t.Errorf("%+v, want empty lists", u)
		}
	}
}

func TestUpstreamsAreShownAsTheirAnswersToldOfThem(t *testing.T) {
	r := newRig(t)
	r.sims["a"].SetUnified(0.25, 0.5)
	r.ask(200)
	r.must(r.sims["a"].Next("529"))
	r.ask(529)
	all := r.upstreams()
	a := all[slices.IndexFunc(all, func(u upstream) bool { return u.Name == "a" })]
	if a.ErrorRate != 0.5 || a.TTFBMS <= 0 || a.InFlight != 0 {
		t.Errorf("%+v", a)
	}
	quota := slices.IndexFunc(a.Quotas, func(w window) bool { return w.Window == "5h" })
	if len(a.RateLimits) == 0 || quota < 0 {
		t.Fatalf("%+v", a)
	}
	q := a.Quotas[quota]
	if q.State != "fresh" || q.Utilization == nil || *q.Utilization != 0.25 || q.Resets == nil || !q.Resets.After(time.Now()) {
		t.Errorf("%+v", q)
	}
	if l := a.RateLimits[0]; l.Kind == "" || l.Limit == nil || l.Remaining == nil || *l.Remaining > *l.Limit || l.Resets == nil {
		t.Errorf("%+v", l)
	}
}

// TestNonsenseOfAnUpstreamHidesNothing: what no JSON holds, and no moment there will ever be, is as if it had not been said.
func TestNonsenseOfAnUpstreamHidesNothing(t *testing.T) {
	for header, said := range map[string]string{"5h-utilization": "Inf", "7d-utilization": "+infinity", "5h-reset": "1790000000000",
		"7d-reset": "9223372036854775807"} {
		t.Run(header, func(t *testing.T) {
			r := newRig(t)
			r.sims["a"].SetUnified(0.25, 0.5)
			r.sims["a"].SetHeader("anthropic-ratelimit-unified-"+header, said)
			r.ask(200)
			if a := r.named("a"); len(a.Quotas) != 3 {
				t.Errorf("%+v", a)
			}
			r.ask(200) // its row holds what the first one told
			if rows := r.rows(""); len(rows) != 2 {
				t.Errorf("%+v", rows)
			}
		})
	}
}

// named is an upstream as it is shown now.
func (r *rig) named(name string) upstream {
	r.t.Helper()
	all := r.upstreams()
	return all[slices.IndexFunc(all, func(u upstream) bool { return u.Name == name })]
}

func TestACoolDownIsShownWithItsReason(t *testing.T) {
	r := newRig(t)
	if u := r.named("a"); u.Cooling != nil || u.CooldownMS != 0 {
		t.Errorf("%+v", u)
	}
	r.must(r.sims["a"].Next("429-window=1h"))
	r.ask(429)
	u := r.named("a")
	if u.Healthy || u.Cooling == nil || u.Cooling.Reason != "window_exhausted" || u.Cooling.Soft || time.Until(u.Cooling.Until) < 50*time.Minute ||
		u.CooldownMS < 50*60*1000 {
		t.Errorf("%+v %+v", u, u.Cooling)
	}
	all := r.metrics()
	for name, labels := range map[string]string{"sluice_upstream_failures_total": "class=window_exhausted upstream=a",
		"sluice_upstream_breaker": "state=closed upstream=a"} {
		if got := value(all[name], labels); got != 1 {
			t.Errorf("%s{%s} %v, want 1", name, labels, got)
		}
	}
	if got := value(all["sluice_upstream_cooldown_seconds"], "upstream=a"); got < 3000 || got > 3600 {
		t.Errorf("%v seconds", got)
	}
	var row row
	r.get("/v1/requests/"+r.rows("")[0].RequestID, &row)
	if one := row.Trace.Attempts[0]; one.Class != "window_exhausted" || one.Cooled != "account" || one.Until == nil {
		t.Errorf("the trace says %+v", one)
	}
}

func TestACoolDownForAModelIsShownBesideThatOfTheAccount(t *testing.T) {
	r := newRig(t)
	if u := r.named("a"); u.CoolingModels == nil || len(u.CoolingModels) != 0 {
		t.Errorf("%+v, want an empty list", u)
	}
	a := r.sims["a"]
	r.must(a.Next("404-model"))
	r.ask(404)
	const unified = "anthropic-ratelimit-unified-"
	a.SetHeader(unified+"status", "rejected")
	a.SetHeader(unified+"7d_sonnet-status", "rejected")
	a.SetHeader(unified+"7d_sonnet-reset", strconv.FormatInt(time.Now().Add(25*time.Hour).Unix(), 10))
	r.must(a.Next("429=1s"))
	r.ask(429)
	u := r.named("a")
	if !u.Healthy || u.Cooling != nil || u.CooldownMS != 0 || len(u.CoolingModels) != 2 {
		t.Fatalf("%+v, want two models that cool, and a healthy account", u)
	}
	if c := u.CoolingModels[0]; c.Model != "claude-sonnet-4-5" || c.Family || c.Reason != "model_not_served" || !c.Soft ||
		time.Until(c.Until) > 10*time.Minute || c.CooldownMS < 9*60*1000 {
		t.Errorf("%+v", c)
	}
	if c := u.CoolingModels[1]; c.Model != "sonnet" || !c.Family || c.Reason != "window_exhausted" || c.Soft ||
		time.Until(c.Until) < 24*time.Hour || c.CooldownMS < 24*3600*1000 {
		t.Errorf("%+v", c)
	}
}

func TestAnOpenStreamIsInFlight(t *testing.T) {
	r := newRig(t)
	r.must(r.sims["a"].SetFault("stall"))
	resp := r.stream()
	r.eventually("a stream is in flight", func() bool {
		all := r.upstreams()
		return all[slices.IndexFunc(all, func(u upstream) bool { return u.Name == "a" })].InFlight == 1
	})
	if got := r.metrics()["sluice_streams_open"].Metric[0].GetGauge().GetValue(); got != 1 {
		t.Errorf("%v streams open, want 1", got)
	}
	resp.Close()
	r.eventually("none is", func() bool {
		all := r.upstreams()
		return all[0].InFlight+all[1].InFlight == 0 && r.metrics()["sluice_streams_open"].Metric[0].GetGauge().GetValue() == 0
	})
}
