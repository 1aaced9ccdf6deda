package admin_test

import (
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// metrics are all families, as a scraper reads them.
func (r *rig) metrics() map[string]*dto.MetricFamily {
	r.t.Helper()
	got := r.call("GET", "/metrics", "")
	if got.status != 200 || !strings.HasPrefix(got.header.Get("content-type"), "text/plain; version=0.0.4") {
		r.t.Fatalf("%d %s: %s", got.status, got.header.Get("content-type"), got.body)
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(got.body))
	r.must(err)
	return families
}

// value is that of the one metric of a family with these labels, like "class=2xx upstream=a"; -1 = there is none.
func value(f *dto.MetricFamily, labels string) float64 {
	for _, m := range f.GetMetric() {
		var got []string
		for _, l := range m.Label {
			if l.GetValue() != "" {
				got = append(got, l.GetName()+"="+l.GetValue())
			}
		}
		slices.Sort(got)
		if strings.Join(got, " ") == labels {
			return m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
		}
	}
	return -1
}

func TestTheMetricsCountWhatHappened(t *testing.T) {
	r := newRig(t)
	r.sims["a"].SetUnified(0.25, 0.5)
	r.ask(200)
	r.ask(200)
	r.ask(200, "x-want: b")
	r.ask(403, "x-want: nobody")
	r.ask(200, "x-want: error")
	r.ask(200, "x-want: junk")
	r.ask(200, "x-want: forever")
	r.ask(401, "x-sluice-key: unknown")
	r.write("scripts/filters/choose.star", "def filter(ctx, principal, candidates):\n    return candidate\n")
	r.call("POST", "/v1/reload", "")
	r.eventually("the observer has seen all", func() bool { return r.script("observers/audit.lua").Calls >= 16 })
	all := r.metrics()
	f := func(name, labels string, want float64) {
		t.Helper()
		if got := value(all[name], labels); got != want {
			t.Errorf("%s{%s} %v, want %v", name, labels, got, want)
		}
	}
	f("sluice_requests_total", "class=2xx upstream=a", 2+first(r))
	f("sluice_requests_total", "class=2xx upstream=b", 4-first(r))
	f("sluice_requests_total", "class=4xx code=denied_by_filter", 1)
	f("sluice_requests_total", "class=4xx code=bad_key", 1)
	f("sluice_request_duration_seconds", "", 8)
	f("sluice_upstream_ttfb_seconds", "", 6)
	f("sluice_streams_open", "", 0)
	f("sluice_body_bytes", "", 0)
	const choose = "outcome=%s plugin=choose principal=__global__ slot=filter"
	for outcome, want := range map[string]float64{"ok": 4, "error": 1, "invalid": 1, "overrun": 1, "dropped": 0} {
		f("sluice_script_calls_total", strings.Replace(choose, "%s", outcome, 1), want)
	}
	f("sluice_script_calls_total", "outcome=error plugin=audit principal=__global__ slot=observer", 0)
	if got := value(all["sluice_script_seconds_total"], "plugin=choose principal=__global__ slot=filter"); got <= 0 || got > 60 {
		t.Errorf("%v seconds in the filter", got)
	}
	f("sluice_reloads_total", "outcome=ok", float64(r.status().Reloads.OK))
	f("sluice_reloads_total", "outcome=failed", float64(r.status().Reloads.Failed))
	f("sluice_script_failing", "script=filters/choose.star", 1)
	f("sluice_script_failing", "script=observers/audit.lua", 0)
	f("sluice_generation", "", float64(r.status().Generation))
	f("sluice_upstream_in_flight", "upstream=a", 0)
	f("sluice_upstream_error_rate", "upstream=a", 0)
	f("sluice_upstream_utilization", "upstream=a window=5h", 0.25)
	f("sluice_upstream_utilization", "upstream=a window=7d", 0.5)
	if got := value(all["sluice_reload_last_success_timestamp_seconds"], ""); got < float64(r.started.Unix()) {
		t.Errorf("last success at %v, started at %d", got, r.started.Unix())
	}
	if failed := r.status().Reloads.Failed; failed == 0 {
		t.Error("no failed reload is counted")
	}
}

// first is how many of the three requests that the filter did not decide went to a: all or none, by the order of ids.
func first(r *rig) float64 {
	if r.upstreams()[0].Name == "a" {
		return 3
	}
	return 0
}

func TestTheMetricsAreHistogramsCountersAndGauges(t *testing.T) {
	r := newRig(t)
	r.ask(200)
	all := r.metrics()
	for name, family := range all {
		switch {
		case !strings.HasPrefix(name, "sluice_"):
		case family.GetHelp() == "":
			t.Errorf("%s has no help", name)
		case strings.HasSuffix(name, "_total") != (family.GetType() == dto.MetricType_COUNTER):
			t.Errorf("%s is a %v", name, family.GetType())
		}
	}
	h := all["sluice_request_duration_seconds"].GetMetric()[0].GetHistogram()
	last := uint64(0)
	for _, b := range h.GetBucket() {
		if b.GetCumulativeCount() < last {
			t.Errorf("buckets do not add up: %v", h)
		}
		last = b.GetCumulativeCount()
	}
	if last != 1 || h.GetSampleCount() != 1 || h.GetSampleSum() <= 0 {
		t.Errorf("%v", h)
	}
	for _, name := range []string{"go_goroutines", "process_resident_memory_bytes"} {
		if all[name] == nil {
			t.Errorf("no %s in %v", name, slices.Sorted(maps.Keys(all)))
		}
	}
}

func TestEverythingMayBeAskedWhileEverythingMoves(t *testing.T) {
	r := newRig(t)
	var wait sync.WaitGroup
	for _, f := range []func(){
		func() { r.metrics() },
		func() { r.status() },
		func() { r.upstreams() },
		func() { r.rows("") },
		func() { r.call("POST", "/v1/reload", "") },
		func() { r.call("POST", "/v1/preview", `{"request": `+asks+`}`) },
		func() {
			r.send("POST", r.gateway, "/v1/messages", asks, "x-api-key: "+aliceKey, "anthropic-version: 2023-06-01")
		},
	} {
		wait.Add(1)
		go func() {
			defer wait.Done()
			for range 20 {
				f()
			}
		}()
	}
	wait.Wait()
}
