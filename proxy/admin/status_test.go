package admin_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"
)

// script is a script as an outsider reads it.
type script struct {
	Path                    string
	SHA256                  string    `json:"sha256"`
	VersionLive             string    `json:"version_live"`
	LoadedAt                time.Time `json:"loaded_at"`
	Current                 bool
	LastError               *failure `json:"last_error"`
	LastFailure             *failure `json:"last_failure"`
	TestsPassed             int      `json:"tests_passed"`
	Calls, Errors, Overruns int64
	Abandoned, Stuck        int64
	Aside                   []aside
	P50                     float64 `json:"p50_us"`
	P99                     float64 `json:"p99_us"`
}

type aside struct {
	Principal *string
	Until     *time.Time
	Why       string
}

type failure struct {
	File         string
	Line, Column int
	Message      string
	Stack        []string
}

type status struct {
	Generation uint64
	Since      time.Time
	Reloads    struct {
		OK, Failed uint64
		LastOK     time.Time `json:"last_ok"`
		LastError  string    `json:"last_error"`
	}
	Scripts []script
}

func (r *rig) status() status {
	r.t.Helper()
	var s status
	r.get("/v1/status", &s)
	return s
}

// script is the status of one.
func (r *rig) script(path string) script {
	r.t.Helper()
	all := r.status().Scripts
	i := slices.IndexFunc(all, func(s script) bool { return s.Path == path })
	if i < 0 {
		r.t.Fatalf("no %s in %+v", path, all)
	}
	return all[i]
}

func TestTheStatusHasTheseFields(t *testing.T) {
	r := newRig(t)
	f := func(body json.RawMessage, want string) map[string]json.RawMessage {
		t.Helper()
		fields := map[string]json.RawMessage{}
		r.must(json.Unmarshal(body, &fields))
		var names []string
		for name := range fields {
			names = append(names, name)
		}
		slices.Sort(names)
		if got := strings.Join(names, " "); got != want {
			t.Errorf("fields %s, want %s", got, want)
		}
		return fields
	}
	r.write("scripts/filters/choose.star", "def filter(ctx, principal, candidates):\n    return candidate\n")
	r.call("POST", "/v1/reload", "")
	top := f(json.RawMessage(r.call("GET", "/v1/status", "").body), "generation reloads scripts since")
	f(top["reloads"], "failed last_error last_ok ok")
	var scripts []json.RawMessage
	r.must(json.Unmarshal(top["scripts"], &scripts))
	one := f(scripts[0], "abandoned aside calls current errors last_error last_failure loaded_at overruns p50_us p99_us path sha256 stuck tests_passed version_live")
	f(one["last_error"], "column file line message")
}

func TestTheStatusTellsOfEachScriptWhatServes(t *testing.T) {
	r := newRig(t)
	s := r.status()
	if s.Generation != 1 || s.Since.Before(r.started.Add(-time.Second)) || s.Since.After(time.Now()) {
		t.Errorf("generation %d since %v, started %v", s.Generation, s.Since, r.started)
	}
	if s.Reloads.OK != 1 || s.Reloads.Failed != 0 || s.Reloads.LastError != "" || s.Reloads.LastOK.Before(r.started.Add(-time.Second)) {
		t.Errorf("reloads %+v", s.Reloads)
	}
	if len(s.Scripts) != 2 || s.Scripts[0].Path != "filters/choose.star" || s.Scripts[1].Path != "observers/audit.lua" {
		t.Fatalf("scripts %+v", s.Scripts)
	}
	for i, text := range []string{chooseScript, auditScript} {
		one := s.Scripts[i]
		if sum := sha256.Sum256([]byte(text)); one.SHA256 != hex.EncodeToString(sum[:]) {
			t.Errorf("%s: sha256 %s is not that of the file", one.Path, one.SHA256)
		}
		if len(one.VersionLive) != 64 || !one.Current || one.LastError != nil || one.Aside == nil || len(one.Aside) > 0 ||
			one.Calls+one.Errors+one.Overruns != 0 || one.P99 != 0 {
			t.Errorf("%+v", one)
		}
		if one.LoadedAt.Before(r.started.Add(-time.Second)) || one.LoadedAt.After(s.Since) {
			t.Errorf("%s: loaded at %v, in service since %v", one.Path, one.LoadedAt, s.Since)
		}
	}
	if s.Scripts[0].TestsPassed != 2 || s.Scripts[1].TestsPassed != 0 {
		t.Errorf("tests passed: %d, %d, want 2, 0", s.Scripts[0].TestsPassed, s.Scripts[1].TestsPassed)
	}
}

func TestTheStatusCountsCallsAndHowTheyFailed(t *testing.T) {
	r := newRig(t)
	f := func(calls, errors, overruns int64) {
		t.Helper()
		if s := r.script("filters/choose.star"); s.Calls != calls || s.Errors != errors || s.Overruns != overruns || s.P50 <= 0 || s.P99 < s.P50 {
			t.Errorf("%+v, want %d calls, %d errors, %d overruns", s, calls, errors, overruns)
		}
	}
	r.ask(200)
	f(1, 0, 0)
	r.ask(403, "x-want: nobody")
	f(2, 0, 0)
	r.ask(200, "x-want: error")
	f(3, 1, 0)
	r.ask(200, "x-want: junk")
	f(4, 2, 0)
	r.ask(200, "x-want: forever")
	f(5, 2, 1)
	r.eventually("the observer has seen all", func() bool { return r.script("observers/audit.lua").Calls > 5 })
}

func TestTheStatusShowsForWhomAScriptIsPutAside(t *testing.T) {
	r := newRig(t)
	for range 5 {
		r.ask(200, "x-want: forever")
	}
	start := time.Now()
	s := r.script("filters/choose.star")
	if len(s.Aside) != 1 || s.Aside[0].Principal == nil || *s.Aside[0].Principal != "alice" || s.Overruns != 5 || s.Abandoned != 0 ||
		s.Aside[0].Until == nil || s.Aside[0].Until.Sub(start) > 30*time.Second || s.Aside[0].Why != "5 overruns within 10s, the last of budgets.steps" {
		t.Fatalf("%+v", s)
	}
	id := r.ask(200, "x-want: nobody").header.Get("x-sluice-request-id") // the filter that would refuse it does not run
	if got := r.call("GET", "/v1/requests/"+id, "").body; !strings.Contains(got, "filters/choose.star: put aside for principal \\\"alice\\\" until ") ||
		!strings.Contains(got, `"Unavailable"`) {
		t.Errorf("the request's trace: %s", got)
	}
	r.ask(403, "x-want: nobody", "x-sluice-key: "+bobKey)
	all := r.metrics()
	f := func(name, labels string, want float64) {
		t.Helper()
		if got := value(all[name], labels); got != want {
			t.Errorf("%s{%s} %v, want %v", name, labels, got, want)
		}
	}
	f("sluice_script_aside", "principal=alice script=filters/choose.star", 1)
	f("sluice_script_aside", "principal=__global__ script=filters/choose.star", 0)
	f("sluice_script_overruns_total", "script=filters/choose.star", 5)
	f("sluice_script_abandoned_total", "script=filters/choose.star", 0)
	f("sluice_script_stuck", "script=filters/choose.star", 0)
	f("sluice_script_calls_total", "outcome=aside plugin=choose principal=__global__ slot=filter", 1)
	f("sluice_script_memory_bytes", "", 5<<20)
	f("sluice_script_memory_waiting", "", 1)
	r.write("scripts/filters/choose.star", chooseScript+"# edited\n")
	r.eventually("the edit is live", func() bool { return len(r.script("filters/choose.star").Aside) == 0 })
	r.ask(403, "x-want: nobody")
}

func TestTheStatusShowsHowACallFailedLast(t *testing.T) {
	r := newRig(t)
	r.ask(200)
	if s := r.script("filters/choose.star"); s.LastFailure != nil {
		t.Errorf("%+v, want none", s.LastFailure)
	}
	r.ask(200, "x-want: error")
	s := r.script("filters/choose.star")
	f := s.LastFailure
	if f == nil || f.File != "filters/choose.star" || f.Line != 6 || len(f.Stack) == 0 || !strings.Contains(f.Message, `no field "nmae"`) {
		t.Errorf("%+v", f)
	}
	if !s.Current || s.LastError != nil {
		t.Errorf("%+v: what fails on a request still serves", s)
	}
}

func TestABrokenEditShowsWhereAndTheMendEndsIt(t *testing.T) {
	r := newRig(t)
	before := r.script("filters/choose.star")
	r.write("scripts/filters/choose.star",
		"def filter(ctx, principal, candidates):\n    return helper(candidates)\n\ndef helper(c):\n    return c[0].nmae\n")
	r.eventually("the edit is refused", func() bool { return !r.script("filters/choose.star").Current })
	s := r.script("filters/choose.star")
	e := s.LastError
	if e == nil || e.File != "filters/choose.star" || e.Line != 5 || e.Column != 17 || len(e.Stack) != 2 ||
		!strings.Contains(e.Message, `candidate has no field "nmae"`) {
		t.Errorf("last error %+v", e)
	}
	if s.SHA256 != before.SHA256 || s.VersionLive != before.VersionLive || !s.LoadedAt.Equal(before.LoadedAt) || s.TestsPassed != 2 {
		t.Errorf("%+v, want the version of before, %+v", s, before)
	}
	r.ask(200)
	if got := r.status(); got.Reloads.Failed == 0 || got.Reloads.LastError != "" {
		t.Errorf("reloads %+v: a script is at fault, not the config", got.Reloads)
	}
	r.write("scripts/filters/choose.star", chooseScript+"# mended\n")
	r.eventually("the mend is live", func() bool { return r.script("filters/choose.star").Current })
	if s := r.script("filters/choose.star"); s.LastError != nil || s.SHA256 == before.SHA256 || !s.LoadedAt.After(before.LoadedAt) {
		t.Errorf("%+v", s)
	}
}

func TestAReloadAnswersWithTheStatusOrWithAllThatDoesNotServe(t *testing.T) {
	r := newRig(t)
	got := r.call("POST", "/v1/reload", "")
	var s status
	r.must(json.Unmarshal([]byte(got.body), &s))
	if got.status != 200 || s.Generation != 2 || len(s.Scripts) != 2 {
		t.Errorf("%d: %s", got.status, got.body)
	}
	r.write("scripts/filters/choose.star", chooseScript+"# new\n")
	got = r.call("POST", "/v1/reload", "")
	r.must(json.Unmarshal([]byte(got.body), &s))
	if sum := sha256.Sum256([]byte(chooseScript + "# new\n")); got.status != 200 || s.Scripts[0].SHA256 != hex.EncodeToString(sum[:]) {
		t.Errorf("%d: the reload did not wait for what is on disk: %s", got.status, got.body)
	}
	r.write("sluice.yaml", "wrong\n")
	r.write("scripts/filters/choose.star", "def filter(ctx, principal, candidates):\n    return candidate\n")
	r.write("scripts/observers/audit.lua", "function observe(event)\n  event.\nend\n")
	got = r.call("POST", "/v1/reload", "")
	if got.status != 422 {
		t.Errorf("status %d, want 422: %s", got.status, got.body)
	}
	for _, want := range []string{`sluice.yaml:1:1: \"wrong\", want fine`, "sluice.yaml:1:2: a second mistake",
		"filters/choose.star:2:12: undefined: candidate", "observers/audit.lua:2:9:"} {
		if !strings.Contains(got.body, want) {
			t.Errorf("no %q in %s", want, got.body)
		}
	}
	if s := r.status(); !strings.HasPrefix(s.Reloads.LastError, `sluice.yaml:1:1: "wrong"`) || s.Reloads.Failed == 0 {
		t.Errorf("reloads %+v", s.Reloads)
	}
	r.ask(200)
}
