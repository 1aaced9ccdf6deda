//go:build !race

// The race detector takes ten times the time and several times the memory: what these scripts are held to would mean nothing.

package main

import (
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
	"time"
)

// hostileTimes also measures how long the offender and others wait: make hostile.
var hostileTimes = flag.Bool("hostile-times", false, "report how long others, and the offender, wait while hostile scripts are served")

// hostileRoot is where the corpora are.
const hostileRoot = "../../testdata/hostile"

// bomb is one hostile script. Its first line says how it ends: "want: TEXT" when its hook is called, "want: refused at load: TEXT" when it
// is loaded or tested, "want: served" when it finds nothing to harm.
type bomb struct {
	name   string // of the file, without its extension
	source string
	hook   string
	want   string
	atLoad bool // it is refused wherever it is loaded, not only when its hook is called
	served bool
}

// label names a bomb, and tells of one that is served: its calls end within their budgets, and its answer may be long.
func (b *bomb) label() string {
	if b.served {
		return b.name + " (served)"
	}
	return b.name
}

var hookDefined = regexp.MustCompile(`(?m)^(?:def|function) (filter|drop|route|shape|normalize_error|transform_response|transform_event|observe)\(`)

func readBombs(t *testing.T, ext string) []bomb {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(hostileRoot, ext[1:], "*"+ext))
	if err != nil || len(paths) < 60 {
		t.Fatalf("%d scripts, %v, want at least 60", len(paths), err)
	}
	var out []bomb
	for _, path := range paths {
		src, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		b := bomb{name: strings.TrimSuffix(filepath.Base(path), ext), source: string(src), hook: "filter"}
		first, _, _ := strings.Cut(b.source, "\n")
		_, b.want, _ = strings.Cut(first, " want: ")
		b.want, b.atLoad = strings.CutPrefix(b.want, "refused at load: ")
		b.served = b.want == "served"
		if b.want == "" {
			t.Fatalf("%s begins %q, want \"want: TEXT\" in a comment", path, first)
		}
		if found := hookDefined.FindStringSubmatch(b.source); found != nil {
			b.hook = found[1]
		}
		out = append(out, b)
	}
	return out
}

// readLibraries are the files that bombs load.
func readLibraries(t *testing.T, ext string) map[string]string {
	t.Helper()
	root := os.DirFS(filepath.Join(hostileRoot, ext[1:]))
	names, err := fs.Glob(root, "lib/*"+ext)
	if err != nil || len(names) == 0 {
		t.Fatalf("%d libraries, %v", len(names), err)
	}
	out := make(map[string]string)
	for _, name := range names {
		text, err := fs.ReadFile(root, name)
		if err != nil {
			t.Fatal(err)
		}
		out[name] = string(text)
	}
	return out
}

// slotOf is the file of the slot that a hook serves in.
func slotOf(hook string) string {
	switch hook {
	case "filter", "drop":
		return "filter"
	case "route":
		return "router"
	case "observe":
		return "observer"
	}
	return "dialect"
}

// answered is how a request ends whose hook fails, by the rule of the hook.
var answered = map[string]string{
	"filter": "503 filter_failed", "drop": "503 filter_failed", "route": "502 router_failed", "shape": "502 dialect_failed",
	"normalize_error": "500 dialect_failed", "transform_response": "502 dialect_failed", "transform_event": "502 dialect_failed", "observe": "200",
}

// Every script of the corpora is put in front of a gateway that serves, as an operator might: first as the script of a slot, where its
// admission refuses it and the last good version goes on, then behind one that is well until a request says otherwise, where it is
// admitted and the request that sets it off ends by the rule of its hook. Meanwhile others are served, and the process lives within its
// memory.
func TestNoHostileScriptHurtsAGatewayThatServes(t *testing.T) {
	for _, ext := range []string{".star", ".lua"} {
		t.Run(ext[1:], func(t *testing.T) {
			if !*hostileTimes {
				t.Parallel()
			} else {
				defer debug.SetGCPercent(debug.SetGCPercent(1600)) // who measures hardly collects: that is no part of what others wait for
			}
			g := besiege(t, ext)
			bombs := readBombs(t, ext)
			for _, b := range bombs {
				g.install(b.name+ext, b.source)
			}
			for name, text := range readLibraries(t, ext) {
				g.install(name, text)
			}
			took := times{calm: g.others(2*time.Second, func() {}), offender: make(map[string]time.Duration)} // a gateway that serves holds more than one that has just begun
			base, highest := g.peak(), int64(0)
			clear(g.longest)
			for some := range slices.Chunk(bombs, bombsAtOnce) {
				began := time.Now()
				took.siege = append(took.siege, g.others(0, func() {
					for _, b := range some {
						t.Run(b.name, func(t *testing.T) {
							g.T = t
							g.serve(b.name)
							g.rest()
							g.refuse(b)
							if !b.atLoad {
								took.offender[b.label()] = g.setOff(b)
							}
							held := g.peak()
							highest = max(highest, held)
							if most := base + 2*siegeBudget; held > most {
								t.Errorf("the process has held %d MiB, want at most %d MiB, which is %d MiB when it is calm and 2 × budgets.memory", held>>20, most>>20, base>>20)
							}
						})
					}
				})...)
				g.T = t
				if *hostileTimes {
					g.compare(&took, time.Since(began))
				}
			}
			if *hostileTimes {
				fmt.Printf("%s: %d scripts; %v; memory %d MiB calm, %d MiB at most, want %d MiB\n", ext, len(bombs), &took, base>>20, highest>>20, (base+2*siegeBudget)>>20)
				fmt.Printf("%s: others waited longest while these were served: %s\n", ext, g.worst())
				fmt.Printf("%s: the offender waited longest for %s, want 150ms\n", ext, longest(took.offender))
			}
		})
	}
}

// bombsAtOnce is how many are set off between two spells of calm.
const bombsAtOnce = 10

// times is how long requests took: of others, in spells of the same length that take turns, and of the offender.
type times struct {
	calm, busy, siege []time.Duration
	offender          map[string]time.Duration // by label
}

// compare asks as the innocent for so long while nothing happens, and for so long beside a busy process.
func (g *siege) compare(took *times, long time.Duration) {
	g.Helper()
	g.serve("nothing")
	g.put("filter", calmScripts[g.ext]["filter"])
	time.Sleep(100 * time.Millisecond)
	took.calm = append(took.calm, g.others(long, func() {})...)
	took.busy = append(took.busy, g.besideBusy(long)...)
}

func (d *times) String() string {
	return fmt.Sprintf("others' p50 and p99 %v %v calm, %v %v beside a busy process, %v %v under attack (%.2f×, want < 2)",
		quantile(d.calm, 50), quantile(d.calm, 99), quantile(d.busy, 50), quantile(d.busy, 99), quantile(d.siege, 50), quantile(d.siege, 99),
		float64(quantile(d.siege, 99))/float64(quantile(d.calm, 99)))
}

// refuse puts a bomb in its slot itself, where the calm script is the last good version.
func (g *siege) refuse(b bomb) {
	g.Helper()
	slot := slotOf(b.hook)
	g.put(slot, calmScripts[g.ext][slot])
	g.put(slot, b.source)
	s := g.status(slot)
	switch {
	case b.served:
		if s.LastError != nil {
			g.Errorf("refused: %+v", s.LastError)
		}
	case s.LastError == nil:
		g.Errorf("it is admitted, want an error with %q", b.want)
	case !endsAs(s.LastError.Message, b) || s.LastError.File == "" || s.LastError.Line == 0 && !b.atLoad:
		g.Errorf("refused with %+v, want %q and its line", s.LastError, b.want)
	}
	if got := g.send(b, false); got != calmAnswer(b.hook) {
		g.Errorf("the last good version answers %s, want %s", got, calmAnswer(b.hook))
	}
}

// endsAs reports whether an error is the wanted one. A call that a busy machine had no time for, or no memory yet, ends by that.
func endsAs(message string, b bomb) bool {
	return strings.Contains(message, b.want) || strings.Contains(message, "budgets.time") || strings.Contains(message, "budgets.total_memory")
}

// calmAnswer is how a request ends whose hook does nothing: a dialect's hook of errors sees one.
func calmAnswer(hook string) string {
	if hook == "normalize_error" {
		return "500"
	}
	return "200"
}

// setOff serves a bomb behind a script that is well, sets it off, and returns how long the request took.
func (g *siege) setOff(b bomb) time.Duration {
	g.Helper()
	slot := slotOf(b.hook)
	g.put(slot, g.fuse(b))
	before := g.status(slot)
	if before.LastError != nil {
		g.Errorf("it is not admitted where its hook is not called: %+v", before.LastError)
		return 0
	}
	began := time.Now()
	got, want := g.send(b, true), answered[b.hook]
	took := time.Since(began)
	if b.served {
		want = calmAnswer(b.hook)
	}
	if got != want {
		g.Errorf("the offender is answered %s, want %s", got, want)
	}
	if !b.served {
		g.failed(b, slot, before)
	}
	if b.hook != "normalize_error" { // which sees no request, so that the next one would set it off again
		want = calmAnswer(b.hook)
	}
	if got := g.send(b, false); got != want {
		g.Errorf("the next request is answered %s, want %s", got, want)
	}
	return took
}

// failed waits until the status tells of one failure more than before, and sees that it says what was wrong and where. What observes is never waited for.
func (g *siege) failed(b bomb, slot string, before besieged) {
	g.Helper()
	s := g.status(slot)
	for late := time.Now().Add(patience); s.Failures == before.Failures; s = g.status(slot) {
		time.Sleep(time.Millisecond)
		if time.Now().After(late) {
			g.Errorf("the status tells of no failure")
			return
		}
	}
	if e := s.LastFailure; e == nil || !endsAs(e.Message, b) || e.File == "" || e.Line == 0 && !strings.Contains(e.Message, "left behind") {
		g.Errorf("the status tells of %+v, want %q and its line", e, b.want)
	}
	if s.Abandoned > before.Abandoned {
		g.Errorf("a call could not be stopped")
	}
}
