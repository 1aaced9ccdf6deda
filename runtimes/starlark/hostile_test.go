package starlark_test

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"sluice/engine"
	"sluice/runtimes/starlark"
)

// hostile is the corpus of scripts that must not hurt. The first line of each says what its error holds: "# want: TEXT", or
// "# want: refused at load: TEXT".
const hostile = "../../testdata/hostile/star"

// anyBudget is what every error of a budget says.
const anyBudget = "than budgets."

// usual is the budget of a call as the config has it by default, with some time more for a busy machine.
var usual = engine.Budget{Time: 200 * time.Millisecond, Steps: 2_000_000, Memory: 64 << 20}

// usualLoad is that of a load of which the time does not matter.
var usualLoad = engine.Budget{Steps: usual.Steps, Memory: usual.Memory}

// allocated is how many bytes f allocates, whether or not it keeps them.
func allocated(f func()) int64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return int64(after.TotalAlloc - before.TotalAlloc)
}

// attack loads a script and calls its filter within a budget. The error is that of the load or of the call.
func attack(src string, b engine.Budget) error {
	ups := upstreams(2)
	m := manifest(withLibraries(files{"s.star": src}), ups)
	m.Budget = b
	f, err := starlark.New().InstantiateFilter(m)
	if err != nil {
		return err
	}
	_, err = f.Filter(request(), principal(), candidates(ups))
	return err
}

// withLibraries adds the files that hostile scripts load.
func withLibraries(f files) files {
	names, _ := filepath.Glob(hostile + "/lib/*.star")
	for _, name := range names {
		text, _ := os.ReadFile(name)
		f["lib/"+filepath.Base(name)] = string(text)
	}
	return f
}

// The scripts of other hooks than filter, and those that are served, meet a gateway: cmd/sluice.
func TestNoHostileScriptHurts(t *testing.T) {
	names, err := filepath.Glob(hostile + "/*.star")
	if err != nil || len(names) < 60 {
		t.Fatalf("%d scripts, %v, want at least 60", len(names), err)
	}
	for _, name := range names {
		if text, err := os.ReadFile(name); err != nil || !strings.Contains(string(text), "def filter(") || strings.HasPrefix(string(text), "# want: served") {
			continue
		}
		if strings.HasPrefix(filepath.Base(name), "test_") {
			continue // admissions run tests
		}
		t.Run(strings.TrimSuffix(filepath.Base(name), ".star"), func(t *testing.T) {
			src, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			first, _, _ := strings.Cut(string(src), "\n")
			want, ok := strings.CutPrefix(first, "# want: ")
			want, atLoad := strings.CutPrefix(want, "refused at load: ")
			if !ok || want == "" {
				t.Fatalf("the first line is %q, want \"# want: TEXT\"", first)
			}
			budget := usualLoad
			if want == anyBudget {
				budget = usual
			}
			spent := allocated(func() { err = attack(string(src), budget) })
			var load *engine.RuntimeError
			if err == nil || !strings.Contains(err.Error(), want) || errors.As(err, &load) != atLoad {
				t.Fatalf("got %v, want %q", err, want)
			}
			if most := 2 * usual.Memory; spent > most && !raced {
				t.Errorf("allocated %d MiB, want at most %d", spent>>20, most>>20)
			}
			if e := scriptError(t, err); e.Trap || e.Line == 0 && !atLoad {
				t.Errorf("got %+v, want an error with its line and no panic", e)
			}
		})
	}
}
