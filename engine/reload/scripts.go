package reload

import (
	"cmp"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"iter"
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
	slow   bool     // the last attempt alone took a build's share
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

// failure is an attempt that need not be repeated until a file of it changes, unless it was starved, or put off.
type failure struct {
	err      error
	version  string
	deleted  bool
	bindings string
	closure  *closure
	putOff   bool // it was not made: the build took long enough
}

// again reports whether an attempt is repeated though no file changes.
func (f *failure) again() bool { return f.putOff || starved(f.err) }

// stands reports whether an attempt would only fail again.
func (f *failure) stands(snap *Snapshot, bindings string) bool {
	return f != nil && !f.again() && f.bindings == bindings && f.closure.sameIn(snap)
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

// Nothing else that is on disk counts before a build ends: not a key that is taken out of the config.
const (
	// share is how long a build tries edited scripts, whose tests may be slow. Those that are left are put off until the next build.
	share = time.Second
	// retryShare is that of a build that repeats what failed: somebody waits for it to be done.
	retryShare = 10 * time.Second
)

// Tx is one try at a new set of scripts. It belongs to one goroutine. Nothing of it counts without Commit.
type Tx struct {
	scripts *Scripts
	base    *map[string]entry
	staged  map[string]entry
	retry   bool
	over    time.Time // from when on edited scripts are put off
}

// Begin starts from what is live. With retry, attempts that failed are repeated even if no file changed.
func (s *Scripts) Begin(retry bool) *Tx {
	t := &Tx{scripts: s, base: s.state.Load(), staged: map[string]entry{}, retry: retry, over: time.Now().Add(share)}
	if retry {
		t.over = time.Now().Add(retryShare)
	}
	return t
}

// Order puts scripts in the order in which they are resolved, such that all come to their turn: those that were slow do not put off others,
// and those that were put off go before those that were slow.
func (t *Tx) Order(scripts iter.Seq[string]) []string {
	rank := func(script string) int {
		e := (*t.base)[script]
		putOff := e.failed != nil && e.failed.putOff
		switch {
		case !e.slow && !putOff:
			return 0
		case !e.slow:
			return 1
		case putOff:
			return 2
		}
		return 3
	}
	return slices.SortedFunc(scripts, func(a, b string) int { return cmp.Or(rank(a)-rank(b), strings.Compare(a, b)) })
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
		t.staged[script] = entry{live: v, slow: old.slow}
		return v, nil
	}
	failed, slow, begun := old.failed, old.slow, time.Now()
	switch {
	case !t.retry && failed.stands(snap, bindings):
	case t.late(old.live, snap):
		failed = putOff(snap, script, bindings, old.live)
	default:
		var v *Version
		v, failed = attempt(snap, script, bindings, old.live, admit)
		slow = time.Since(begun) > share
		if failed == nil {
			t.staged[script] = entry{live: v, slow: slow}
			return v, nil
		}
	}
	v, err := t.lastGood(old.live, failed, script, bindings, admit)
	if err != nil {
		if old.live != nil {
			t.staged[script] = entry{old.live, failed, slow}
		}
		return nil, err
	}
	t.staged[script] = entry{v, failed, slow}
	return v, nil
}

// late reports whether a script waits for the next build: it is edited, another version of it serves, and this build took long enough.
func (t *Tx) late(live *Version, snap *Snapshot) bool {
	return live != nil && !live.closure.sameIn(snap) && time.Now().After(t.over)
}

// putOff is the failure of a script that is late.
func putOff(snap *Snapshot, script, bindings string, live *Version) *failure {
	c := newClosure(snap, script)
	for _, name := range live.closure.names() {
		c.remember(name)
	}
	err := &engine.ScriptError{File: script, Message: "the tests of other scripts take long, it is tried after them"}
	return &failure{err, c.version(), false, bindings, c, true}
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
		return nil, &failure{located(script, err), c.version(), f.missing(), bindings, c, false}
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

// again reports whether a script waits to be tried again though no file changes.
func (s *Scripts) again() bool {
	for _, e := range *s.state.Load() {
		if e.failed != nil && e.failed.again() {
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
