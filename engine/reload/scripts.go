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
	plan     string
	closure  *closure
}

// AdmittedIn reports whether these bindings are those that it was admitted with, a last good copy by the process that saved it.
func (v *Version) AdmittedIn(bindings string) bool { return v.bindings == bindings }

// knows reports whether snap has the same bytes. Nil knows nothing.
func (v *Version) knows(snap *Snapshot) bool { return v != nil && v.closure.sameIn(snap) }

// passed reports whether the same bytes were admitted with the same bindings.
func (v *Version) passed(snap *Snapshot, bindings string) bool {
	return v.knows(snap) && v.bindings == bindings
}

// asLastGood is the version as a copy from the data directory, or as what was read.
func (v *Version) asLastGood(is bool) *Version {
	if v.LastGood == is {
		return v
	}
	c := *v
	c.LastGood = is
	return &c
}

// failure is an attempt that need not be repeated until a file of it changes, unless it was starved, or put off.
type failure struct {
	err      error
	version  string
	deleted  bool
	bindings string
	closure  *closure
}

// stands reports whether an attempt would only fail again.
func (f *failure) stands(snap *Snapshot, bindings string) bool {
	return f != nil && !passing(f.err) && f.bindings == bindings && f.closure.sameIn(snap)
}

// putOff is the error of an attempt that was not made: the build took long enough.
type putOff struct{ *engine.ScriptError }

func (e putOff) Unwrap() error { return e.ScriptError }

func isPutOff(err error) bool { return errors.As(err, new(putOff)) }

// passing reports whether what failed is tried again though no file changes.
func passing(err error) bool { return isPutOff(err) || starved(err) }

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

// Resolve returns the version of a script that is to serve with these bindings: the one in snap if it is admitted, else the last good
// one. bindings is any text that differs where Admit would decide differently about the same files. Admit is called only for what is
// new. An error means that there is no version to serve; it holds an *engine.ScriptError.
func (t *Tx) Resolve(snap *Snapshot, script, bindings string, admit Admit) (*Version, error) {
	r := &resolution{t, script, bindings, admit, of(t.base, script), of(t.before, script)}
	slow := r.serving.slow || r.before.slow
	if v := r.find(snap); v != nil {
		return r.settle(v.asLastGood(false), nil, slow)
	}
	failed, begun := r.stands(snap), time.Now()
	if failed == nil {
		var v *Version
		v, failed = r.attempt(snap)
		if failed == nil || !isPutOff(failed.err) {
			slow = time.Since(begun) > share
		}
		if failed == nil {
			return r.settle(v, nil, slow)
		}
	}
	v, err := r.lastGood(failed)
	if err != nil {
		t.tried[script] = entry{nil, failed, slow}
		return nil, err
	}
	return r.settle(v, failed, slow)
}

// resolution is how one script is resolved.
type resolution struct {
	*Tx
	script   string
	bindings string
	admit    Admit
	serving  entry
	before   entry // of the build before, where that does not serve
}

// settle stages what is to serve.
func (r *resolution) settle(v *Version, failed *failure, slow bool) (*Version, error) {
	r.staged[r.script] = entry{v, failed, slow}
	r.tried[r.script] = r.staged[r.script]
	return v, nil
}

// find is a version that is as one of the same bytes has to be, nil = there is none.
func (r *resolution) find(snap *Snapshot) *Version {
	for _, v := range r.versions() {
		if v.passed(snap, r.bindings) && v.plan == r.Plan {
			return v
		}
	}
	return nil
}

func (r *resolution) versions() [2]*Version { return [2]*Version{r.serving.live, r.before.live} }

// stands is the failure of an attempt that need not be repeated, nil = there is none.
func (r *resolution) stands(snap *Snapshot) *failure {
	for _, f := range [...]*failure{r.serving.failed, r.before.failed} {
		if !r.retry && f.stands(snap, r.bindings) {
			return f
		}
	}
	return nil
}

// late reports whether a script waits for the next build: this one took long enough. Where nothing serves yet, nobody waits for it to end.
func (t *Tx) late() bool {
	if t.over.IsZero() {
		t.over = time.Now().Add(share)
		if t.retry {
			t.over = time.Now().Add(retryShare)
		}
	}
	return t.base != nil && time.Now().After(t.over)
}

// attempt admits what snap has of a script, unless this build took long enough: what passed with the same bindings is not tried, and never
// late. Requests go first.
func (r *resolution) attempt(snap *Snapshot) (*Version, *failure) {
	turn.Yield()
	c := newClosure(snap, r.script)
	before := r.sameBytes(snap)
	if before != nil {
		c.readAs(before) // what is made out of before reads nothing again
	}
	f := snap.find(r.script)
	err := f.err
	var got Admitted
	switch {
	case f.missing():
		err = &engine.ScriptError{File: r.script, Message: "no such file below the scripts root" + nearMiss(snap, r.script)}
	case err != nil:
	case !before.passed(snap, r.bindings) && r.late():
		err = r.putOff(c)
	default:
		got, err = r.admit(c, before)
	}
	if err != nil {
		return nil, &failure{located(r.script, err), c.version(), f.missing(), r.bindings, c}
	}
	v := &Version{Path: r.script, SHA256: c.version(), FileSHA256: hex.EncodeToString(f.sum[:]), LoadedAt: time.Now(),
		Tests: got.Tests, Plugins: got.Plugins, bindings: r.bindings, plan: r.Plan, closure: c}
	if before != nil {
		v.LoadedAt = before.LoadedAt
	}
	return v, nil
}

// sameBytes is a version of the same bytes, rather with the same bindings, nil = there is none.
func (r *resolution) sameBytes(snap *Snapshot) (found *Version) {
	for _, v := range r.versions() {
		if v.knows(snap) && (found == nil || v.bindings == r.bindings) {
			found = v
		}
	}
	if stored := r.scripts.stored[r.script]; found == nil && stored != nil {
		if v := stored.asVersion(r.script); v.knows(snap) {
			return v
		}
	}
	return found
}

// asVersion is a last good copy as a version of which nothing is made yet.
func (s *Snapshot) asVersion(script string) *Version {
	c := newClosure(s, script)
	for name := range s.files {
		c.remember(name)
	}
	return &Version{Path: script, LoadedAt: time.Now(), bindings: s.bindings, closure: c}
}

// putOff is the error of an attempt that is not made now, at what c holds and what the script was made of before.
func (r *resolution) putOff(c *closure) error {
	for _, v := range r.versions() {
		if v != nil {
			c.readAs(v)
		}
	}
	return putOff{&engine.ScriptError{File: r.script, Message: "the tests of other scripts take long, it is tried after them"}}
}

// starved reports whether something failed for want of memory, which calls that ran meanwhile held: that is no fault of a script, and passes.
func starved(err error) bool {
	return slices.ContainsFunc(engine.ScriptErrors(err), func(e *engine.ScriptError) bool { return e.Budget == engine.BudgetTotalMemory })
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

// lastGood returns the version that serves on after failed. Where bindings have changed it must be admitted with those.
func (r *resolution) lastGood(failed *failure) (*Version, error) {
	live, from := r.serving.live, r.scripts.stored[r.script]
	if live != nil {
		from = live.closure.snap
	}
	if from == nil {
		return nil, failed.err
	}
	v := r.find(from)
	if v == nil {
		if failed.closure.sameIn(from) {
			return nil, failed.err
		}
		var again *failure
		if v, again = r.attempt(from); again != nil {
			return nil, errors.Join(failed.err, fmt.Errorf("its last good version: %w", again.err))
		}
	}
	return v.asLastGood(live == nil || live.LastGood), nil
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
