package admin

import (
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/common/expfmt"
	"github.com/valyala/fasthttp"

	"sluice/engine"
	"sluice/proxy"
)

// What /metrics shows. Counters live where they are counted; nothing here runs between two scrapes.
var (
	requestsTotal  = describe("sluice_requests_total", "Requests that ended, by class of status, code and upstream.", "class", "code", "upstream")
	durationBucket = describe("sluice_request_duration_seconds", "From a request's head to its last byte.")
	ttfbBucket     = describe("sluice_upstream_ttfb_seconds", "From a request's dispatch to the head of its answer.")
	streamsOpen    = describe("sluice_streams_open", "Exchanges that are open.")
	ledgerRows     = describe("sluice_ledger_rows_total", "Rows of the ledger, by what became of them.", "outcome")
	ledgerWaiting  = describe("sluice_ledger_waiting", "Rows that are not written yet.")
	ledgerBytes    = describe("sluice_ledger_bytes", "What the ledger's rows take on disk.")
	bodyBytes      = describe("sluice_body_bytes", "What request bodies hold in memory.")
	scriptCalls    = describe("sluice_script_calls_total", "Calls of scripts, by slot and outcome.", "slot", "principal", "plugin", "outcome")
	scriptSeconds  = describe("sluice_script_seconds_total", "Time spent in scripts, by slot.", "slot", "principal", "plugin")
	reloadsTotal   = describe("sluice_reloads_total", "Rounds of reloading, by outcome.", "outcome")
	reloadSuccess  = describe("sluice_reload_last_success_timestamp_seconds", "When everything on disk last served.")
	generation     = describe("sluice_generation", "Number of the generation that serves.")
	scriptAside    = describe("sluice_script_aside", "1 where a script is put aside, by principal, __global__ = all.", "script", "principal")
	scriptOverruns = describe("sluice_script_overruns_total", "Calls that a budget or a panic ended, by script.", "script")
	scriptAbandon  = describe("sluice_script_abandoned_total", "Calls that could not be stopped, by script.", "script")
	scriptStuck    = describe("sluice_script_stuck", "Calls that still run though their requests went on without them, by script.", "script")
	scriptMemory   = describe("sluice_script_memory_bytes", "What calls of scripts, what they left behind, and what top levels left hold of budgets.total_memory.")
	scriptWaiting  = describe("sluice_script_memory_waiting", "Calls of scripts that wait for memory.")
	scriptFailing  = describe("sluice_script_failing", "1 where the newest version of a script does not serve.", "script")
	upstreamFlight = describe("sluice_upstream_in_flight", "Answers in flight.", "upstream")
	upstreamErrors = describe("sluice_upstream_error_rate", "Share of recent answers that were the provider's failure.", "upstream")
	upstreamCap    = describe("sluice_upstream_concurrency", "Answers at once that the config allows, 0 for any number.", "upstream")
	upstreamQueued = describe("sluice_upstream_queued", "Requests that wait for a place.", "upstream")
	upstreamCools  = describe("sluice_upstream_cooldown_seconds", "How long an account still cools, 0 where it does not.", "upstream")
	upstreamOpen   = describe("sluice_upstream_breaker", "1 for the state that the circuit breaker is in.", "upstream", "state")
	upstreamFailed = describe("sluice_upstream_failures_total", "Attempts that failed, by class; broke: after the answer's head.", "upstream", "class")
	upstreamUsed   = describe("sluice_upstream_utilization", "How full a window of an account is, 0 to 1.", "upstream", "window")
)

func describe(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(name, help, labels, nil)
}

// exporter reads the counters when it is scraped.
type exporter struct {
	opts     *Options
	registry *prometheus.Registry
}

func newExporter(o *Options) *exporter {
	e := &exporter{o, prometheus.NewRegistry()}
	e.registry.MustRegister(e, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return e
}

func (e *exporter) write(ctx *fasthttp.RequestCtx) {
	families, err := e.registry.Gather()
	if err != nil {
		fail(ctx, 500, err.Error())
		return
	}
	format := expfmt.NewFormat(expfmt.TypeTextPlain)
	ctx.SetContentType(string(format))
	enc := expfmt.NewEncoder(ctx, format)
	for _, f := range families {
		enc.Encode(f) // into memory: it cannot fail
	}
}

// Describe promises nothing: what there is depends on the config.
func (e *exporter) Describe(chan<- *prometheus.Desc) {}

// Collect reads everything once.
func (e *exporter) Collect(out chan<- prometheus.Metric) {
	e.traffic(out)
	e.ledger(out)
	e.scripts(out)
	e.reloads(out)
	e.upstreams(out)
	e.experiments(out)
}

func counter(out chan<- prometheus.Metric, d *prometheus.Desc, v float64, labels ...string) {
	out <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, v, labels...)
}

func gauge(out chan<- prometheus.Metric, d *prometheus.Desc, v float64, labels ...string) {
	out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
}

func (e *exporter) traffic(out chan<- prometheus.Metric) {
	t := e.opts.Traffic
	t.Requests(func(kind proxy.Finished, n int64) {
		counter(out, requestsTotal, float64(n), fmt.Sprintf("%dxx", kind.Class), string(kind.Code), kind.Upstream)
	})
	histogram(out, durationBucket, t.Durations())
	histogram(out, ttfbBucket, t.TTFBs())
	gauge(out, streamsOpen, float64(t.Streams()))
	gauge(out, bodyBytes, float64(t.BodyBytes()))
}

func (e *exporter) ledger(out chan<- prometheus.Metric) {
	s := e.opts.Book.Stats()
	counter(out, ledgerRows, float64(s.Rows), "written")
	counter(out, ledgerRows, float64(s.Dropped), "dropped")
	gauge(out, ledgerWaiting, float64(s.Waiting))
	gauge(out, ledgerBytes, float64(s.Bytes))
}

func histogram(out chan<- prometheus.Metric, d *prometheus.Desc, h proxy.Histogram) {
	buckets, total := make(map[float64]uint64, len(h.Bounds)), uint64(0)
	for i, n := range h.Counts {
		total += uint64(n)
		if i < len(h.Bounds) {
			buckets[h.Bounds[i]] = total
		}
	}
	out <- prometheus.MustNewConstHistogram(d, total, h.Sum, buckets)
}

func (e *exporter) scripts(out chan<- prometheus.Metric) {
	for key, m := range e.opts.Meters.All() {
		failed := m.Errors.Load() + m.Overruns.Load() + m.Invalid.Load()
		for _, o := range []struct {
			outcome string
			n       int64
		}{
			{"ok", max(m.Calls.Load()-failed, 0)}, {"error", m.Errors.Load()}, {"overrun", m.Overruns.Load()},
			{"invalid", m.Invalid.Load()}, {"dropped", m.Dropped.Load()},
			{"aside", m.Aside.Load()},
		} {
			counter(out, scriptCalls, float64(o.n), string(key.Slot), key.Key.Principal, key.Key.Plugin, o.outcome)
		}
		counter(out, scriptSeconds, m.Seconds(), string(key.Slot), key.Key.Principal, key.Key.Plugin)
	}
	for _, s := range e.opts.Loop.Status().Scripts {
		failing := 0.0
		if len(s.Errors) > 0 {
			failing = 1
		}
		gauge(out, scriptFailing, failing, s.Path)
		e.standing(out, s.Path, e.opts.Standings.Get(s.Path, s.Version.SHA256))
	}
	held, waiting := e.opts.Memory()
	gauge(out, scriptMemory, float64(held))
	gauge(out, scriptWaiting, float64(waiting))
}

// standing tells how a script behaved. st may be nil.
func (e *exporter) standing(out chan<- prometheus.Metric, script string, st *engine.Standing) {
	if st == nil {
		return
	}
	counter(out, scriptOverruns, float64(st.Overruns.Load()), script)
	counter(out, scriptAbandon, float64(st.Abandoned.Load()), script)
	gauge(out, scriptStuck, float64(st.Stuck.Load()), script)
	asides := st.Asides()
	if len(asides) == 0 || asides[0].Principal != engine.GlobalPrincipal {
		gauge(out, scriptAside, 0, script, engine.GlobalPrincipal)
	}
	for _, a := range asides {
		gauge(out, scriptAside, 1, script, a.Principal)
	}
}

func (e *exporter) reloads(out chan<- prometheus.Metric) {
	r := e.opts.Loop.Status()
	counter(out, reloadsTotal, float64(r.OK), "ok")
	counter(out, reloadsTotal, float64(r.Failed), "failed")
	if !r.LastOK.IsZero() {
		gauge(out, reloadSuccess, float64(r.LastOK.UnixMilli())/1000)
	}
}

func (e *exporter) upstreams(out chan<- prometheus.Metric) {
	g := e.opts.World.Lease()
	if g == nil {
		return
	}
	defer g.Release()
	gauge(out, generation, float64(g.Number))
	now := time.Now()
	for _, u := range g.Upstreams {
		v := e.opts.Vitals.Vitals(u.Upstream, now)
		gauge(out, upstreamFlight, float64(v.InFlight), u.Name)
		gauge(out, upstreamErrors, v.ErrorRate, u.Name)
		e.failover(out, u.Upstream, v)
		for _, q := range v.Quotas {
			if share, known := v.UtilizationOf(q.Window, now); known {
				gauge(out, upstreamUsed, share, u.Name, q.Window)
			}
		}
	}
}

// failures counts what went wrong with an upstream. It is the power of a VitalsSource that judges.
type failures interface {
	Failures(u *engine.Upstream) map[engine.FailureClass]int64
}

// failover tells what keeps requests away from an upstream.
func (e *exporter) failover(out chan<- prometheus.Metric, u *engine.Upstream, v *engine.Vitals) {
	gauge(out, upstreamCap, float64(u.Concurrency), u.Name)
	gauge(out, upstreamQueued, float64(v.Queued), u.Name)
	gauge(out, upstreamCools, v.Cooldown.Seconds(), u.Name)
	for _, state := range []string{"closed", "open", "half_open"} {
		in := 0.0
		if v.Breaker == state {
			in = 1
		}
		gauge(out, upstreamOpen, in, u.Name, state)
	}
	if f, ok := e.opts.Vitals.(failures); ok {
		for class, n := range f.Failures(u) {
			counter(out, upstreamFailed, float64(n), u.Name, string(class))
		}
	}
}
