package reload_test

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"sluice/engine"
	"sluice/engine/reload"
)

// never is a poll interval that no test lives to see: what it sees it owes to events.
const never = time.Hour

// rig is a loop over real files in a temporary directory, with a small language of its own: a script is any text without "BROKEN", a
// line "load X" takes in the file X, and one that says "SLOW" has slow tests. A config has lines "scripts DIR", "use SCRIPT", "secret FILE", and any other line is an error.
type rig struct {
	t     testing.TB
	dir   string // holds "conf" and "scripts"
	world *engine.World
	loop  *reload.Loop
	moved chan struct{} // something was reported

	mu       sync.Mutex
	builds   int
	open     int                          // generations that were made and not closed yet
	admitted map[string]int               // calls of admit by script
	made     map[uint64]map[string]string // generation -> script or secret -> text
	news     []reload.News
	before   func(in *reload.Input) // runs at the begin of each build, if not nil
	failing  error                  // of whatever is admitted, nil = that is looked at
}

func newRig(t testing.TB) *rig {
	r := &rig{t: t, dir: t.TempDir(), world: &engine.World{}, moved: make(chan struct{}, 1),
		admitted: map[string]int{}, made: map[uint64]map[string]string{}}
	r.mkdir("scripts")
	return r
}

// serving is a rig that serves these scripts, each a path below their root and a text.
func serving(t testing.TB, scripts ...string) *rig {
	t.Helper()
	r := newRig(t)
	var use []string
	for i := 0; i < len(scripts); i += 2 {
		r.write("scripts/"+scripts[i], scripts[i+1])
		use = append(use, scripts[i])
	}
	return r.start(reload.Options{}, use...)
}

// start begins to serve the scripts of a config, whose lines "use" these are.
func (r *rig) start(o reload.Options, use ...string) *rig {
	r.t.Helper()
	r.config(use...)
	if err := r.tryStart(o); err != nil {
		r.t.Fatal(err)
	}
	return r
}

func (r *rig) tryStart(o reload.Options) (err error) {
	o.World, o.Config, o.Build, o.Report = r.world, r.path("conf"), r.build, r.report
	if o.Poll == 0 {
		o.Poll = never
	}
	if r.loop, err = reload.Start(o); err == nil {
		r.t.Cleanup(r.loop.Close)
	}
	return err
}

func (r *rig) config(use ...string) {
	text := "scripts " + r.path("scripts") + "\n"
	for _, s := range use {
		text += "use " + s + "\n"
	}
	r.replace("conf", text)
}

func (r *rig) report(rep reload.Report) {
	r.mu.Lock()
	r.news = append(r.news, rep.News...)
	r.mu.Unlock()
	select {
	case r.moved <- struct{}{}:
	default:
	}
}

func (r *rig) build(in *reload.Input) (*engine.Generation, error) {
	r.mu.Lock()
	r.builds++
	before := r.before
	r.mu.Unlock()
	if before != nil {
		before(in)
	}
	texts, use := map[string]string{}, map[string]string{}
	var snap *reload.Snapshot
	for _, line := range strings.Split(strings.TrimSpace(string(in.Config)), "\n") {
		verb, arg, _ := strings.Cut(line, " ")
		var err error
		switch verb {
		case "scripts":
			snap, err = in.Snapshot(arg)
		case "secret":
			var data []byte
			data, err = in.ReadFile(arg)
			texts[arg] = string(data)
		case "use":
			name, bindings, _ := strings.Cut(arg, " ")
			use[name] = bindings
		default:
			err = fmt.Errorf("conf: %q, want scripts, use or secret", line)
		}
		if err != nil {
			return nil, err
		}
	}
	for _, name := range in.Scripts.Order(maps.Keys(use)) {
		v, err := in.Scripts.Resolve(snap, name, use[name], r.admit(name))
		if err != nil {
			return nil, err
		}
		texts[name] = v.Plugins.(string)
	}
	g := &engine.Generation{Number: in.Number}
	g.OnClose(func() { r.opened(-1) })
	r.opened(1)
	r.mu.Lock()
	r.made[in.Number] = texts
	r.mu.Unlock()
	return g, nil
}

func (r *rig) opened(n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.open += n
}

func (r *rig) admit(name string) reload.Admit {
	return func(files fs.FS, _ *reload.Version) (reload.Admitted, error) {
		r.mu.Lock()
		r.admitted[name]++
		failing := r.failing
		r.mu.Unlock()
		if failing != nil {
			return reload.Admitted{}, failing
		}
		got, err := admit(files, name)
		if text, ok := got.Plugins.(string); ok && strings.Contains(text, "SLOW") {
			r.report(reload.Report{})
			time.Sleep(1100 * time.Millisecond)
		}
		return got, err
	}
}

// errStarved is the failure of a script that finds no memory to be admitted.
var errStarved = &engine.ScriptError{File: "a.star", Line: 1, Message: "no memory", Budget: engine.BudgetTotalMemory}

func (r *rig) starve(starved bool) {
	if starved {
		r.fail(errStarved)
	} else {
		r.fail(nil)
	}
}

// fail has whatever is admitted fail, nil = it is looked at.
func (r *rig) fail(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failing = err
}

func admit(files fs.FS, name string) (reload.Admitted, error) {
	data, err := fs.ReadFile(files, name)
	if err != nil {
		return reload.Admitted{}, err
	}
	text := string(data)
	for i, line := range strings.Split(string(data), "\n") {
		fail := func(message string) (reload.Admitted, error) {
			return reload.Admitted{}, &engine.ScriptError{File: name, Line: i + 1, Column: 1, Message: message}
		}
		if strings.Contains(line, "BROKEN") {
			return fail("broken")
		}
		if lib, ok := strings.CutPrefix(line, "load "); ok {
			got, err := admit(files, lib)
			var at *engine.ScriptError
			switch {
			case errors.As(err, &at):
				return reload.Admitted{}, err
			case err != nil:
				return fail("no " + lib)
			}
			text += "+" + got.Plugins.(string)
		}
	}
	return reload.Admitted{Tests: 1, Plugins: text}, nil
}

// live is what serves of a script or a secret.
func (r *rig) live(name string) string {
	g := r.world.Lease()
	defer g.Release()
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.made[g.Number][name]
}

// until waits for a condition that some report brings about.
func (r *rig) until(what string, ok func() bool) {
	r.t.Helper()
	deadline := time.NewTimer(20 * time.Second)
	defer deadline.Stop()
	for !ok() {
		select {
		case <-r.moved:
		case <-deadline.C:
			r.t.Fatalf("not in time: %s; status %+v", what, r.loop.Status())
		}
	}
}

func (r *rig) untilLive(name, text string) {
	r.t.Helper()
	r.until(fmt.Sprintf("%s is %q, not %q", name, text, r.live(name)), func() bool { return r.live(name) == text })
}

// untilNews waits for news of a script and forgets all news up to it.
func (r *rig) untilNews(state reload.State, path string) (got reload.News) {
	r.t.Helper()
	r.until(fmt.Sprintf("news %s of %q", state, path), func() bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		for i, n := range r.news {
			if n.State == state && n.Path == path {
				r.news, got = r.news[i+1:], n
				return true
			}
		}
		return false
	})
	return got
}

func (r *rig) count(script string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.admitted[script]
}

func (r *rig) built() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.builds
}

// texts are all that were ever built of a script.
func (r *rig) texts(name string) map[string]bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := map[string]bool{}
	for m := range maps.Values(r.made) {
		all[m[name]] = true
	}
	return all
}

func (r *rig) path(name string) string { return filepath.Join(r.dir, name) }

func (r *rig) must(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) mkdir(name string)       { r.must(os.MkdirAll(r.path(name), 0o755)) }
func (r *rig) write(name, text string) { r.must(os.WriteFile(r.path(name), []byte(text), 0o644)) }
func (r *rig) rename(from, to string)  { r.must(os.Rename(r.path(from), r.path(to))) }
func (r *rig) remove(name string)      { r.must(os.Remove(r.path(name))) }
func (r *rig) symlink(to, name string) { r.must(os.Symlink(to, r.path(name))) }
func (r *rig) replace(name, text string) {
	tmp := filepath.Join(filepath.Dir(name), "."+filepath.Base(name)+".tmp")
	r.write(tmp, text)
	r.rename(tmp, name)
}
