package reload

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"sluice/engine"
	"sluice/engine/turn"
)

// Scripts knows of each script the version that serves and the attempt that failed since, if one did. What it knows changes as a whole,
// by Tx.Commit. It may be used by many goroutines.
type Scripts struct {
	stored map[string]*Snapshot
	state  atomic.Pointer[map[string]entry]
}

// entry is one script.
type entry struct {
	live   *Version // not nil once the script is known
	failed *failure // nil: what is on disk serves
}

// Version is an admitted script with the library files it loads. It is not written.
type Version struct {
	Path       string    // below the scripts root
	SHA256     string    // hex, over the script and its library files
	FileSHA256 string    // hex, of the script file alone, as sha256sum prints it
	LoadedAt   time.Time // when these bytes were first admitted by this process
	Tests      int       // how many passed
	LastGood   bool      // it is the copy from the data directory
	Plugins    any       // what Admit made of it

	bindings string
	closure  *closure
}

// failure is an attempt that need not be repeated until a file of it changes, unless it was starved.
type failure struct {
	err      error
	version  string
	deleted  bool
	bindings string
	closure  *closure
}

// Admitted is what Admit returns.
type Admitted struct {
	Tests   int // how many passed
	Plugins any // for Version.Plugins
}

// Admit tries a script and makes its plugins, reading files only. An error holds an *engine.ScriptError where it has a place. before,
// if not nil, is a version of the same bytes under other bindings: its tests have passed.
type Admit func(files fs.FS, before *Version) (Admitted, error)

// NewScripts starts with nothing live. stored are last good copies by script path, for scripts that have no live version; may be nil.
func NewScripts(stored map[string]*Snapshot) *Scripts {
	s := &Scripts{stored: stored}
	s.state.Store(&map[string]entry{})
	return s
}

// Tx is one try at a new set of scripts. It belongs to one goroutine. Nothing of it counts without Commit.
type Tx struct {
	scripts *Scripts
	base    *map[string]entry
	staged  map[string]entry
	retry   bool
}

// Begin starts from what is live. With retry, attempts that failed are repeated even if no file changed.
func (s *Scripts) Begin(retry bool) *Tx {
	return &Tx{scripts: s, base: s.state.Load(), staged: map[string]entry{}, retry: retry}
}

// Commit makes the resolved scripts the live ones, and forgets those that were not asked for. It reports false, and changes nothing,
// if another commit came between.
func (t *Tx) Commit() bool {
	staged := t.staged // of its own: a pointer into t would keep t, and so what was before, and all before that
	return t.scripts.state.CompareAndSwap(t.base, &staged)
}

// Resolve returns the version of a script that is to serve with these bindings: the one in snap if it is admitted, else the last good
// one. bindings is any text that differs where Admit would decide differently about the same files. Admit is called only for what is
// new. An error means that there is no version to serve; it holds an *engine.ScriptError.
func (t *Tx) Resolve(snap *Snapshot, script, bindings string, admit Admit) (*Version, error) {
	old := (*t.base)[script]
	if old.live != nil && old.live.bindings == bindings && old.live.closure.sameIn(snap) {
		v := old.live
		if v.LastGood { // the file is what its copy was: it serves from the file now
			c := *v
			c.LastGood = false
			v = &c
		}
		t.staged[script] = entry{live: v}
		return v, nil
	}
	failed := old.failed
	if failed == nil || t.retry || starved(failed.err) || failed.bindings != bindings || !failed.closure.sameIn(snap) {
		var v *Version
		if v, failed = attempt(snap, script, bindings, old.live, admit); failed == nil {
			t.staged[script] = entry{live: v}
			return v, nil
		}
	}
	v, err := t.lastGood(old.live, failed, script, bindings, admit)
	if err != nil {
		if old.live != nil {
			t.staged[script] = entry{old.live, failed}
		}
		return nil, err
	}
	t.staged[script] = entry{v, failed}
	return v, nil
}

// attempt admits what snap has of a script. Requests go first.
func attempt(snap *Snapshot, script, bindings string, live *Version, admit Admit) (*Version, *failure) {
	turn.Yield()
	c := newClosure(snap, script)
	var before *Version
	if live != nil && live.closure.sameIn(snap) {
		before = live
	}
	f := snap.find(script)
	err := f.err
	if f.missing() {
		err = &engine.ScriptError{File: script, Message: "no such file below the scripts root" + nearMiss(snap, script)}
	}
	var got Admitted
	if err == nil {
		got, err = admit(c, before)
	}
	if err != nil {
		return nil, &failure{located(script, err), c.version(), f.missing(), bindings, c}
	}
	v := &Version{Path: script, SHA256: c.version(), FileSHA256: hex.EncodeToString(f.sum[:]), LoadedAt: time.Now(),
		Tests: got.Tests, Plugins: got.Plugins, bindings: bindings, closure: c}
	if before != nil {
		v.LoadedAt = before.LoadedAt
	}
	return v, nil
}

// starved reports whether something failed for want of memory, which calls that ran meanwhile held: that is no fault of a script, and passes.
func starved(err error) bool {
	return slices.ContainsFunc(engine.ScriptErrors(err), func(e *engine.ScriptError) bool { return e.Budget == engine.BudgetTotalMemory })
}

// starved reports whether a script waits to be tried again though no file changes.
func (s *Scripts) starved() bool {
	for _, e := range *s.state.Load() {
		if e.failed != nil && starved(e.failed.err) {
			return true
		}
	}
	return false
}

// lastGood returns the version that serves on after failed. Where bindings have changed it must be admitted with those.
func (t *Tx) lastGood(live *Version, failed *failure, script, bindings string, admit Admit) (*Version, error) {
	if live != nil && live.bindings == bindings {
		return live, nil
	}
	from := t.scripts.stored[script]
	if live != nil {
		from = live.closure.snap
	}
	if from == nil || failed.closure.sameIn(from) {
		return nil, failed.err
	}
	v, again := attempt(from, script, bindings, live, admit)
	if again != nil {
		return nil, errors.Join(failed.err, fmt.Errorf("its last good version: %w", again.err))
	}
	v.LastGood = live == nil || live.LastGood
	return v, nil
}

// located gives an error that has no place the script's.
func located(script string, err error) error {
	if len(engine.ScriptErrors(err)) > 0 {
		return err
	}
	return &engine.ScriptError{File: script, Message: err.Error()}
}

// nearMiss names a file with the same stem elsewhere or in the other language.
func nearMiss(snap *Snapshot, script string) string {
	stem := func(p string) string { return strings.TrimSuffix(path.Base(p), path.Ext(p)) }
	for _, p := range snap.Paths() {
		if stem(p) == stem(script) {
			return fmt.Sprintf(", did you mean %q?", p)
		}
	}
	return ""
}

// ScriptStatus is one script for people to read.
type ScriptStatus struct {
	Path    string
	Version *Version              // that serves
	Errors  []*engine.ScriptError // of the last attempt; empty when what is on disk serves
}

// Status lists the scripts by path.
func (s *Scripts) Status() []ScriptStatus {
	state := *s.state.Load()
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
