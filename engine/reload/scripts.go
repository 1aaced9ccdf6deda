package reload

import (
	"cmp"
	"io/fs"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"sluice/engine"
)

// Scripts knows of each script the version that serves and the attempt that failed since, if one did. What it knows changes as a whole,
// by Tx.Commit. It may be used by many goroutines.
type Scripts struct {
	stored map[string]*Snapshot             // until something serves; used by the goroutine that builds
	state  atomic.Pointer[map[string]entry] // nil: nothing serves yet
	tried  atomic.Pointer[map[string]entry] // what a build came to that does not serve
}

// entry is one script.
type entry struct {
	live   *Version // not nil once the script serves
	failed *failure // nil: what is on disk serves
	slow   bool     // the last attempt alone took a build's share
}

// Admitted is what Admit returns.
type Admitted struct {
	Tests   int // how many passed
	Plugins any // for Version.Plugins
}

// Admit tries a script and makes its plugins, reading files only. An error holds an *engine.ScriptError where it has a place. before,
// if not nil, is a version of the same bytes, under other bindings or of another plan; at the start the last good copy, without plugins.
type Admit func(files fs.FS, before *Version) (Admitted, error)

// NewScripts starts with nothing live. stored are last good copies by script path, for what is to serve first; may be nil.
func NewScripts(stored map[string]*Snapshot) *Scripts {
	return &Scripts{stored: stored}
}

// of is what a state, or nil, has of a script.
func of(state *map[string]entry, script string) entry {
	if state == nil {
		return entry{}
	}
	return (*state)[script]
}

// all are the scripts.
func (s *Scripts) all() map[string]entry {
	if state := s.state.Load(); state != nil {
		return *state
	}
	return nil
}

// Nothing else that is on disk counts before a build ends: not a key that is taken out of the config.
const (
	// share is how long a build tries scripts, whose tests may be slow. Those that are left are put off until the next build.
	share = time.Second
	// retryShare is that of a build that repeats what failed: somebody waits for it to be done.
	retryShare = 10 * time.Second
)

// Tx is one try at a new set of scripts. It belongs to one goroutine. Nothing of it counts without Commit.
type Tx struct {
	// Plan is any text that differs where plugins have to be made anew, though Admit would decide as before.
	Plan string

	scripts *Scripts
	base    *map[string]entry
	before  *map[string]entry // what the build before came to
	staged  map[string]entry
	tried   map[string]entry // what was staged, and what has no version to serve
	retry   bool
	over    time.Time // from when on scripts are put off, zero = none was tried yet
}

// Begin starts from what is live. With retry, attempts that failed are repeated even if no file changed.
func (s *Scripts) Begin(retry bool) *Tx {
	return &Tx{scripts: s, base: s.state.Load(), before: s.tried.Load(), staged: map[string]entry{}, tried: map[string]entry{}, retry: retry}
}

// Order puts scripts in the order in which they are resolved, such that all come to their turn: those that were slow do not put off others,
// and those that were put off go before those that were slow.
func (t *Tx) Order(scripts iter.Seq[string]) []string {
	rank := func(script string) int {
		slow, putOff := false, false
		for _, e := range [...]entry{of(t.base, script), of(t.before, script)} {
			slow = slow || e.slow
			putOff = putOff || e.failed != nil && isPutOff(e.failed.err)
		}
		switch {
		case !slow && !putOff:
			return 0
		case !slow:
			return 1
		case putOff:
			return 2
		}
		return 3
	}
	return slices.SortedFunc(scripts, func(a, b string) int { return cmp.Or(rank(a)-rank(b), strings.Compare(a, b)) })
}

// HasServed reports whether there is a version of a script to go on with: one that serves, or at the start its last good copy.
func (t *Tx) HasServed(script string) bool {
	return of(t.base, script).live != nil || t.scripts.stored[script] != nil
}

// Commit makes the resolved scripts the live ones, and forgets those that were not asked for. It reports false, and changes nothing,
// if another commit came between.
func (t *Tx) Commit() bool {
	staged := t.staged // of its own: a pointer into t would keep t, and so what was before, and all before that
	if !t.scripts.state.CompareAndSwap(t.base, &staged) {
		return false
	}
	t.scripts.stored = nil // what serves is newer, and what does not is not stored any more
	return true
}

// Keep remembers what became of scripts in a build that does not serve, so that the next repeats no attempt that failed, and, where some are
// to be made yet, none at all.
func (t *Tx) Keep() {
	goesOn := false
	for _, e := range t.tried {
		goesOn = goesOn || e.failed != nil && passing(e.failed.err)
	}
	kept := map[string]entry{}
	if t.before != nil {
		maps.Copy(kept, *t.before) // a build may end before it comes to all
	}
	maps.Copy(kept, t.tried)
	for script, e := range kept {
		if !goesOn {
			e.live = nil // what does not serve takes no memory
			kept[script] = e
		}
	}
	t.scripts.tried.Store(&kept)
}

// again reports whether a script waits to be tried again though no file changes.
func (s *Scripts) again() bool {
	for _, e := range s.all() {
		if e.failed != nil && passing(e.failed.err) {
			return true
		}
	}
	return false
}

// ScriptStatus is one script for people to read.
type ScriptStatus struct {
	Path    string
	Version *Version              // that serves
	Errors  []*engine.ScriptError // of the last attempt; empty when what is on disk serves
}

// Status lists the scripts by path.
func (s *Scripts) Status() []ScriptStatus {
	state := s.all()
	var list []ScriptStatus
	for _, p := range slices.Sorted(maps.Keys(state)) {
		e := state[p]
		one := ScriptStatus{Path: p, Version: e.live}
		if f := e.failed; f != nil {
			one.Errors = engine.ScriptErrors(f.err)
		}
		list = append(list, one)
	}
	return list
}

// Versions lists what was resolved, by path.
func (t *Tx) Versions() []*Version {
	var list []*Version
	for _, p := range slices.Sorted(maps.Keys(t.staged)) {
		list = append(list, t.staged[p].live)
	}
	return list
}
