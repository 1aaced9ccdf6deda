package reload

import (
	"encoding/hex"
	"errors"
	"fmt"
	"path"
	"strings"
	"time"

	"sluice/engine"
	"sluice/engine/turn"
)

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
