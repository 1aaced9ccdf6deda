package engine_test

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"sluice/engine"
)

func TestHeadersKeepOrderAndRepeatsAndFoldCase(t *testing.T) {
	h := engine.Headers{{Name: "X-A", Value: "1"}, {Name: "b", Value: "2"}, {Name: "x-a", Value: "3"}, {Name: "c", Value: "4"}}
	if got := slices.Collect(h.All("X-a")); h.Get("x-A") != "1" || !slices.Equal(got, []string{"1", "3"}) {
		t.Errorf("got %q and %q", h.Get("x-A"), got)
	}
	if _, ok := h.Lookup("d"); ok {
		t.Error("found what is not there")
	}
	h.Set("x-a", "9")
	if got := fmt.Sprint(h); got != "[{X-A 9} {b 2} {c 4}]" {
		t.Errorf("after Set: %s", got)
	}
	h.Set("new", "5")
	h.Remove("B")
	if got := fmt.Sprint(h); got != "[{X-A 9} {c 4} {new 5}]" {
		t.Errorf("after Remove: %s", got)
	}
}

func TestPathsOfTheAccountAreReachedOnlyLiterally(t *testing.T) {
	p := &engine.Principal{Paths: []string{"/v1/*", "/v1/oauth/token"}}
	f := func(path string, want bool) {
		t.Helper()
		if got := p.MayAskPath(path); got != want {
			t.Errorf("%s: %v, want %v", path, got, want)
		}
	}
	f("/v1/messages", true)
	f("/v1/organizations", false)
	f("/v1/organizations/me", false)
	f("/v1/organizationsx", false)
	f("/v1/Organizations/me", false)
	f("/v1/organizations;a=1/me", false)
	f("/v1/oauth/token", true)
	f("/v1/oauth/other", false)
	f("/other", false)
}

func TestModelsAndUpstreamsAreAllowedByAbsence(t *testing.T) {
	p := &engine.Principal{}
	if !p.MayAskModel("anything") || !p.MayUse(uuid.New()) {
		t.Error("absent lists do not allow all")
	}
	p.Models, p.Upstreams = []string{"claude-*"}, map[uuid.UUID]bool{}
	if !p.MayAskModel("claude-x") || p.MayAskModel("gpt") || p.MayUse(uuid.New()) {
		t.Error("present lists do not restrict")
	}
}

func TestUtilizationIsUnknownBeforeItWasSeenAndAfterItsReset(t *testing.T) {
	now := time.Unix(1000, 0)
	v := &engine.Vitals{
		Quotas: []engine.Quota{{Window: "5h", Utilization: 0.5, Resets: now.Add(1)}, {Window: "7d", Utilization: 0.9, Resets: now},
			{Window: "overage", Utilization: -1}},
		RateLimits: []engine.RateLimit{{Kind: "requests", Limit: 100, Remaining: 25}, {Kind: "tokens", Limit: -1, Remaining: -1},
			{Kind: "input_tokens", Limit: 100, Remaining: 150}},
	}
	f := func(window string, want float64, known bool) {
		t.Helper()
		if u, ok := v.UtilizationOf(window, now); ok != known || ok && u != want {
			t.Errorf("%s: %v %v, want %v %v", window, u, ok, want, known)
		}
	}
	f("5h", 0.5, true)
	f("7d", 0, false)
	f("overage", 0, false)
	f("unheard", 0, false)
	f("requests", 0.75, true)
	f("tokens", 0, false)
	f("input_tokens", 0, true) // the limit was made smaller
}

func TestACredentialNeverPrints(t *testing.T) {
	c := engine.NewCredential(engine.Headers{{Name: "x-api-key", Value: "sk-ant-planted"}})
	x := engine.Exchange{Client: c}
	if s := fmt.Sprintf("%v %+v %#v %s %v %+v", c, c, c, c, x.Client, x.Client); strings.Contains(s, "planted") {
		t.Errorf("it prints: %s", s)
	}
	if b, err := c.MarshalText(); err != nil || strings.Contains(string(b), "planted") {
		t.Errorf("it marshals: %s %v", b, err)
	}
}

func TestErrorsReadAsTheirContractSays(t *testing.T) {
	f := func(err error, want string) {
		t.Helper()
		if err.Error() != want {
			t.Errorf("got %q, want %q", err, want)
		}
	}
	f(&engine.FilterError{Variant: engine.FilterRuntime, Reason: "r"}, "filter runtime error: r")
	f(&engine.FilterError{Variant: engine.FilterTrap, Reason: "r"}, "filter trap error: r")
	f(&engine.ScriptError{File: "f.star", Line: 12, Column: 9, Message: "m"}, "f.star:12:9: m")
	f(&engine.ScriptError{File: "f.lua", Line: 12, Message: "m"}, "f.lua:12: m")
	f(&engine.ScriptError{File: "f.lua", Message: "m"}, "f.lua: m")
	f(&engine.UpstreamError{Variant: engine.UpstreamUnauthorized, Status: 401}, "upstream unauthorized: status 401")
}

func TestCutKeepsWholeRunes(t *testing.T) {
	f := func(s string, n int, want string) {
		t.Helper()
		if got := engine.Cut(s, n); got != want {
			t.Errorf("Cut(%q, %d) = %q, want %q", s, n, got, want)
		}
	}
	f("abc", 3, "abc")
	f("abcd", 3, "abc")
	f("aé", 2, "a")
	f("é", 1, "")
}

func TestABindingsIdentityIsStable(t *testing.T) {
	a := engine.NewIdentity("", "tier")
	if want := uuid.NewSHA1(uuid.NameSpaceURL, []byte("sluice:plugin:tier")); a.PluginID() != want {
		t.Errorf("id %s, want %s", a.PluginID(), want)
	}
	if a.SlotKey() != (engine.SlotKey{Principal: "__global__", Plugin: "tier"}) {
		t.Errorf("slot %v is not the global default", a.SlotKey())
	}
	if k := engine.NewIdentity("alice", "tier").SlotKey(); k.Principal != "alice" {
		t.Errorf("slot %v is not alice's", k)
	}
}

func TestABudgetGrowsWithTheBody(t *testing.T) {
	b := engine.Budget{Time: time.Second, Steps: 10, TimePerMiB: 2 * time.Second, StepsPerMiB: 100}.ForBody(1 << 19)
	if b.Time != 2*time.Second || b.Steps != 60 {
		t.Errorf("half a MiB gives %v and %d steps, want 2s and 60", b.Time, b.Steps)
	}
}

// Whoever writes ten years where no bound is meant gets no less for a large body.
func TestABudgetIsNoSmallerForALargeBody(t *testing.T) {
	const years = 3650 * 24 * time.Hour
	given := engine.Budget{Time: time.Second, Steps: 10, Memory: math.MaxInt64, TimePerMiB: years, StepsPerMiB: 1 << 53, MemoryPerMiB: math.MaxInt64}
	if b := given.ForBody(2 << 30); b.Time < years || b.Steps < 1<<53 || b.Memory < given.Memory {
		t.Errorf("2 GiB give %v, %d steps and %d bytes, want no less than per_mib gives for one", b.Time, b.Steps, b.Memory)
	}
}

func TestAScriptsErrorIsOneLineWhateverAClientSent(t *testing.T) {
	f := func(message, want string) {
		t.Helper()
		e := &engine.ScriptError{File: "f.star", Line: 1, Message: message}
		if got := e.Error(); got != want {
			t.Errorf("%q is told as %q, want %q", message, got, want)
		}
	}
	f("no model é", "f.star:1: no model é")
	f("x\n12:00:00.000 f.star: version deadbeef is live", `f.star:1: x\x0a12:00:00.000 f.star: version deadbeef is live`)
	f("\x1b[31m\u009b31m\u2028\r", `f.star:1: \x1b[31m\x9b31m\x2028\x0d`)
	f("\x9b31m", `f.star:1: \x9b31m`)
}
