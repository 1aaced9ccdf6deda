package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"sluice/engine"
	"sluice/engine/experiment"
)

// wanted is a filter that keeps the upstream its config names, in both languages. What it decides is remembered.
var wanted = map[string]string{
	".star": "def drop(ctx, principal, candidate):\n    if candidate.name != config[\"name\"]:\n        return \"not \" + config[\"name\"]\n",
	".lua":  "function drop(ctx, principal, candidate)\n  if candidate.name ~= config.name then return \"not \" .. config.name end\nend\n",
}

// One script is two arms and a shadow, with three configs. What each decides is remembered, and nobody knows what another does.
func TestArmsAndShadowsRememberForThemselves(t *testing.T) {
	for ext, script := range wanted {
		t.Run(ext[1:], func(t *testing.T) {
			t.Parallel()
			l, book := startTrial(t, ext, script)
			arms := map[string]int{}
			const requests = 300
			for range requests {
				name, err := l.ask()
				if err != nil {
					t.Fatal(err)
				}
				arms[name]++
			}
			if arms["a"] == 0 || arms["b"] == 0 || arms["c"] > 0 {
				t.Fatalf("served by %v, want by a and b", arms)
			}
			v := seenBy(t, book, requests)
			for i, name := range []string{"a", "b"} {
				if v.Arms[i].Recalled == 0 {
					t.Errorf("arm %s remembers nothing", name)
				}
				if a := v.Arms[i]; a.Calls.Calls != int64(arms[name]) || a.Requests != a.Calls.Calls || a.Upstreams[name] != a.Requests {
					t.Errorf("arm %s: %d requests, %d calls, served by %v, want %d by %[1]s", a.Name, a.Requests, a.Calls.Calls, a.Upstreams, arms[name])
				}
			}
			if s := v.Shadows[0]; s.Likeness[engine.OtherPick] != s.Compared || s.Calls.Calls != s.Compared || s.Recalled == 0 {
				t.Errorf("the shadow: %d calls, %v, want %d times another pick", s.Calls.Calls, s.Likeness, s.Compared)
			}
			for _, d := range v.Shadows[0].Differing {
				if d.Shadow.Picked != "c" || d.Served.Picked == "c" {
					t.Fatalf("%+v beside %+v", d.Served, d.Shadow)
				}
			}
			l.write(t, "filters/wanted"+ext, script+"\n")
			if _, err := l.loop.Reload(context.Background()); err != nil {
				t.Fatal(err)
			}
			if _, err := l.ask(); err != nil {
				t.Fatal(err)
			}
			if v = seenBy(t, book, 1); v.Arms[0].Calls.Calls+v.Arms[1].Calls.Calls != 1 {
				t.Errorf("after an edit: %d and %d calls, want one", v.Arms[0].Calls.Calls, v.Arms[1].Calls.Calls)
			}
		})
	}
}

func startTrial(t *testing.T, ext, script string) (*live, *experiment.Book) {
	t.Helper()
	dir := t.TempDir()
	l := &live{scripts: filepath.Join(dir, "scripts"), client: &http.Client{Timeout: 20 * time.Second}}
	l.write(t, "filters/wanted"+ext, script)
	arm := func(name string) string {
		return fmt.Sprintf("{name: %s, script: filters/wanted%s, config: {name: %[1]s}}", name, ext)
	}
	text := threeProviders(t) + "filters:\n  - {name: wanted, experiment: e}\nexperiments:\n" +
		fmt.Sprintf("  - {name: e, slot: filter, unit: request, arms: [%s, %s], shadow: [%s]}\n", arm("a"), arm("b"), arm("c"))
	config := filepath.Join(dir, "sluice.yaml")
	if err := os.WriteFile(config, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	b := newBuilder(config)
	l.serve(t, b, io.Discard)
	return l, b.trials
}

// seenBy is the experiment once all of so many requests are settled, and the shadow was asked about them.
func seenBy(t *testing.T, book *experiment.Book, requests int64) experiment.View {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(time.Millisecond) {
		v, err := book.View("e")
		if err != nil {
			t.Fatal(err)
		}
		if s := v.Shadows[0]; v.Arms[0].Requests+v.Arms[1].Requests == requests && s.Compared+s.Dropped == requests {
			return v
		}
		if time.Now().After(deadline) {
			t.Fatalf("of %d requests there are %+v", requests, v)
		}
	}
}
