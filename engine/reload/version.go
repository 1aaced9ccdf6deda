package reload

import (
	"errors"
	"slices"
	"time"

	"sluice/engine"
)

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

// starved reports whether something failed for want of memory, which calls that ran meanwhile held: that is no fault of a script, and passes.
func starved(err error) bool {
	return slices.ContainsFunc(engine.ScriptErrors(err), func(e *engine.ScriptError) bool { return e.Budget == engine.BudgetTotalMemory })
}

// located gives an error that has no place the script's.
func located(script string, err error) error {
	if len(engine.ScriptErrors(err)) > 0 {
		return err
	}
	return &engine.ScriptError{File: script, Message: err.Error()}
}
