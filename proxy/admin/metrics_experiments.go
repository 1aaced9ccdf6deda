package admin

import (
	"github.com/prometheus/client_golang/prometheus"
)

// Figures of an arm or a shadow begin anew with a new version of its script, as counters do when a process starts.
var (
	armRequests  = describe("sluice_experiment_requests_total", "Requests by the arm they had, and class of status.", "experiment", "arm", "class")
	armFailures  = describe("sluice_experiment_failures_total", "Calls of an arm's script that failed, and requests it did not get.", "experiment", "arm", "why")
	armSeconds   = describe("sluice_experiment_script_seconds", "Quantiles of the time of an arm's calls.", "experiment", "arm", "quantile")
	armCost      = describe("sluice_experiment_cost_usd_total", "What the requests of an arm cost.", "experiment", "arm")
	armTokens    = describe("sluice_experiment_tokens_total", "Tokens of the requests of an arm.", "experiment", "arm", "kind")
	armShare     = describe("sluice_experiment_share", "Share of the units that an arm has.", "experiment", "arm")
	shadowTotal  = describe("sluice_experiment_shadow_total", "Decisions of a shadow beside the one that served, by what differs.", "experiment", "shadow", "differs")
	shadowMissed = describe("sluice_experiment_shadow_dropped_total", "Decisions that a shadow was not asked for, since too many waited.", "experiment", "shadow")
)

func (e *exporter) experiments(out chan<- prometheus.Metric) {
	if e.opts.Experiments == nil {
		return
	}
	for _, v := range e.opts.Experiments.Views() {
		for _, a := range v.Arms {
			for class, n := range a.Statuses {
				counter(out, armRequests, float64(n), v.Name, a.Name, class)
			}
			counter(out, armFailures, float64(a.Errors), v.Name, a.Name, "error")
			counter(out, armFailures, float64(a.Overruns), v.Name, a.Name, "overrun")
			counter(out, armFailures, float64(a.Aside), v.Name, a.Name, "aside")
			gauge(out, armSeconds, a.P50/1e6, v.Name, a.Name, "0.5")
			gauge(out, armSeconds, a.P99/1e6, v.Name, a.Name, "0.99")
			counter(out, armCost, a.CostUSD, v.Name, a.Name)
			counter(out, armTokens, float64(a.Input), v.Name, a.Name, "input")
			counter(out, armTokens, float64(a.Output), v.Name, a.Name, "output")
			gauge(out, armShare, a.Share, v.Name, a.Name)
		}
		for _, s := range v.Shadows {
			for likeness, n := range s.Likeness {
				counter(out, shadowTotal, float64(n), v.Name, s.Name, string(likeness))
			}
			counter(out, shadowMissed, float64(s.Dropped), v.Name, s.Name)
		}
	}
}
