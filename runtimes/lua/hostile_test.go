package lua_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"sluice/engine"
	"sluice/runtimes/lua"
)

// corpus is where hostile scripts are, each with the error it must end with in its first line.
const corpus = "../../testdata/hostile/lua"

// hostileBudget is what scripts have where nobody says otherwise, but for time and steps: a busy machine must not end them in another
// way, and a quarter of the steps ends them as well.
var hostileBudget = engine.Budget{Time: 5 * time.Second, Steps: 500_000, Memory: 64 << 20}

var otherHook = regexp.MustCompile(`(?m)^function (drop|route|shape|normalize_error|transform_response|transform_event|observe)\(`)

// withLibraries adds the files that hostile scripts load.
func withLibraries(f files) files {
	paths, _ := filepath.Glob(filepath.Join(corpus, "lib", "*.lua"))
	for _, path := range paths {
		text, _ := os.ReadFile(path)
		f["lib/"+filepath.Base(path)] = string(text)
	}
	return f
}

func TestHostileScriptsEndWithAnErrorAndHarmNothing(t *testing.T) {
	paths, _ := filepath.Glob(filepath.Join(corpus, "*.lua"))
	if len(paths) < 60 {
		t.Fatalf("%d scripts in %s", len(paths), corpus)
	}
	for _, path := range paths {
		// Those of other hooks than filter, and those that are served, meet a gateway: cmd/sluice.
		if text, err := os.ReadFile(path); err != nil || otherHook.Match(text) || strings.HasPrefix(string(text), "-- want: served") {
			continue
		}
		name := strings.TrimSuffix(filepath.Base(path), ".lua")
		t.Run(name, func(t *testing.T) { runHostile(t, path, name) })
	}
}

func runHostile(t *testing.T, path, name string) {
	src, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	first, _, _ := strings.Cut(string(src), "\n")
	want, ok := strings.CutPrefix(first, "-- want: ")
	if !ok {
		t.Fatalf("begins %q, want -- want: TEXT", first)
	}
	want, atLoad := strings.CutPrefix(want, "refused at load: ")
	var got error
	took := allocated(func() {
		if got = loadHostile(name, string(src)); got == nil && !atLoad {
			got = callHostile(t, name, string(src))
		}
	})
	if got == nil {
		t.Fatalf("no error, want %q", want)
	}
	e := scriptError(t, got)
	if !strings.Contains(e.Message, want) || e.Trap || e.Line == 0 && !atLoad {
		t.Errorf("line %d: %s (panic: %v), want %q", e.Line, e.Message, e.Trap, want)
	}
	if most := 2 * hostileBudget.Memory; took > 3*most {
		t.Errorf("took %d bytes in three calls, want at most %d", took, 3*most)
	}
}

// loadHostile is what an admission does with a script: its top level and its tests.
func loadHostile(name, src string) error {
	m, err := lua.New().Load(withLibraries(files{name + ".lua": src}).snapshot(), name+".lua", nil, hostileBudget)
	if err != nil {
		return err
	}
	for _, f := range m.Functions() {
		if strings.HasPrefix(f.Name, "test_") {
			if err := m.Test(f.Name); err != nil {
				return err
			}
		}
	}
	return nil
}

// callHostile calls the script's filter from another one, which can also do without it.
func callHostile(t *testing.T, name, src string) error {
	m := manifest(files{name + ".lua": src, "s.lua": `local bomb = require("` + name + `")
function filter(ctx, principal, candidates)
  if ctx.model == "calm" then return candidates end
  return bomb.filter(ctx, principal, candidates)
end`}, nil)
	m.Budget = hostileBudget
	f := filterFrom(t, m)
	calm := request()
	calm.Model = "calm"
	_, err := f.Filter(request(), principal(), candidates(upstreams(3)))
	for _, r := range []*engine.RequestContext{calm, request(), calm} {
		out, again := f.Filter(r, principal(), candidates(upstreams(3)))
		switch {
		case r == calm && (again != nil || len(out.KeptUpstreamIDs) != 3):
			t.Errorf("the next call: kept %d, %v", len(out.KeptUpstreamIDs), again)
		case r != calm && again == nil:
			t.Error("another call: no error")
		}
	}
	return err
}
