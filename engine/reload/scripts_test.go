package reload_test

import (
	"errors"
	"fmt"
	"io/fs"
	"runtime"
	"slices"
	"testing"
	"weak"

	"sluice/engine"
	"sluice/engine/reload"
)

// scripts is a Scripts of one script, a.star, in the language of rig.
type scripts struct {
	t *testing.T
	*reload.Scripts
	calls int
	files fs.FS // what admit got last
}

func (s *scripts) resolve(tx *reload.Tx, bindings string, files map[string]string) (*reload.Version, error) {
	return tx.Resolve(snapshotOf(files), "a.star", bindings, func(files fs.FS, _ *reload.Version) (reload.Admitted, error) {
		s.calls, s.files = s.calls+1, files
		got, err := admit(files, "a.star")
		if text, _ := got.Plugins.(string); err == nil && bindings == "strict" && text != "strict" {
			err = errors.New("not strict")
		}
		return got, err
	})
}

func snapshotOf(files map[string]string) *reload.Snapshot {
	all := map[string][]byte{}
	for name, text := range files {
		all[name] = []byte(text)
	}
	return reload.NewSnapshot(all)
}

// commit resolves and commits, and wants this text to serve ("" = an error) after so many calls of admit.
func (s *scripts) commit(bindings string, files map[string]string, want string, calls int) *reload.Version {
	s.t.Helper()
	before := s.calls
	tx := s.Begin(false)
	v, err := s.resolve(tx, bindings, files)
	got := ""
	if err == nil {
		got = v.Plugins.(string)
		tx.Commit()
	}
	if got != want || s.calls-before != calls {
		s.t.Errorf("serves %q (%v) after %d calls of admit, want %q after %d", got, err, s.calls-before, want, calls)
	}
	return v
}

func TestOnlyWhatIsNewIsAdmitted(t *testing.T) {
	t.Parallel()
	s := &scripts{t: t, Scripts: reload.NewScripts(nil)}
	one := map[string]string{"a.star": "one", "b.star": "x"}
	first := s.commit("", one, "one", 1)
	s.commit("", one, "one", 0)
	s.commit("", map[string]string{"a.star": "one", "b.star": "changed, but not a.star's"}, "one", 0)
	s.commit("", map[string]string{"a.star": "load l.star"}, "one", 1)
	s.commit("", map[string]string{"a.star": "load l.star"}, "one", 0)
	s.commit("", map[string]string{"a.star": "load l.star", "l.star": "BROKEN"}, "one", 1)
	s.commit("", map[string]string{"a.star": "load l.star", "l.star": "l"}, "load l.star+l", 1)
	s.commit("", map[string]string{"l.star": "l"}, "load l.star+l", 0)
	s.commit("other", map[string]string{"a.star": "load l.star", "l.star": "l"}, "load l.star+l", 1)
	s.commit("other", map[string]string{"a.star": "BROKEN"}, "load l.star+l", 1)
	s.commit("third", map[string]string{"a.star": "BROKEN"}, "load l.star+l", 2)
	last := s.commit("third", one, "one", 1)
	if first.SHA256 != last.SHA256 || first.FileSHA256 == first.SHA256 || first.Tests != 1 {
		t.Errorf("first %+v, last %+v: want the same version of the same files", first, last)
	}
}

// A gateway whose scripts are edited for months keeps no version but the one that serves.
func TestVersionsThatServeNoMoreAreForgotten(t *testing.T) {
	t.Parallel()
	s := &scripts{t: t, Scripts: reload.NewScripts(nil)}
	old := weak.Make(s.commit("", map[string]string{"a.star": "one"}, "one", 1))
	last := s.commit("", map[string]string{"a.star": "two"}, "two", 1)
	runtime.GC()
	if old.Value() != nil {
		t.Errorf("version %q is kept beside %q", old.Value().Plugins, last.Plugins)
	}
	s.commit("", map[string]string{"a.star": "two"}, "two", 0)
}

func TestBindingsThatNoVersionBearsAreAnError(t *testing.T) {
	t.Parallel()
	s := &scripts{t: t, Scripts: reload.NewScripts(nil)}
	s.commit("", map[string]string{"a.star": "one"}, "one", 1)
	s.commit("strict", map[string]string{"a.star": "one"}, "", 1)
	s.commit("strict", map[string]string{"a.star": "two"}, "", 2)
	s.commit("", map[string]string{"a.star": "one"}, "one", 0)
	s.commit("strict", map[string]string{"a.star": "strict"}, "strict", 1)
}

func TestNothingCountsWithoutCommit(t *testing.T) {
	t.Parallel()
	s := &scripts{t: t, Scripts: reload.NewScripts(nil)}
	s.commit("", map[string]string{"a.star": "one"}, "one", 1)
	dropped, first := s.Begin(false), s.Begin(false)
	if _, err := s.resolve(dropped, "", map[string]string{"a.star": "two"}); err != nil {
		t.Fatal(err)
	}
	if got := s.Status()[0].Version.Plugins; got != "one" {
		t.Errorf("before the commit %q is live", got)
	}
	if _, err := s.resolve(first, "", map[string]string{"a.star": "three"}); err != nil || !first.Commit() {
		t.Fatalf("no commit, %v", err)
	}
	if dropped.Commit() {
		t.Error("a commit on what was is taken")
	}
	if got := s.Status()[0].Version.Plugins; got != "three" {
		t.Errorf("%q is live, want what was committed", got)
	}
}

func TestALibraryThatIsAskedForLateCountsFromThenOn(t *testing.T) {
	t.Parallel()
	s := &scripts{t: t, Scripts: reload.NewScripts(nil)}
	s.commit("", map[string]string{"a.star": "one", "l.star": "l"}, "one", 1)
	s.commit("", map[string]string{"a.star": "one", "l.star": "m"}, "one", 0)
	if got, err := fs.ReadFile(s.files, "l.star"); err != nil || string(got) != "l" {
		t.Errorf("l.star reads %q, %v, want what was admitted", got, err)
	}
	s.commit("", map[string]string{"a.star": "one", "l.star": "m"}, "one", 1)
	if _, err := s.files.Open("m.star"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Open of what is not there: %v", err)
	}
	s.commit("", map[string]string{"a.star": "one", "m.star": "m"}, "one", 1)
}

func TestTheSameBytesUnderOtherBindingsAreKnown(t *testing.T) {
	t.Parallel()
	s := reload.NewScripts(nil)
	var seen *reload.Version
	resolve := func(bindings, text string) *reload.Version {
		tx := s.Begin(false)
		v, err := tx.Resolve(snapshotOf(map[string]string{"a.star": text}), "a.star", bindings,
			func(files fs.FS, before *reload.Version) (reload.Admitted, error) {
				seen = before
				return admit(files, "a.star")
			})
		if err != nil || !tx.Commit() {
			t.Fatal(err)
		}
		return v
	}
	first := resolve("1", "one")
	if seen != nil {
		t.Error("new bytes have a version before")
	}
	if second := resolve("2", "one"); seen != first || !second.LoadedAt.Equal(first.LoadedAt) {
		t.Errorf("admit saw %p, want %p", seen, first)
	}
	if resolve("3", "two"); seen != nil {
		t.Error("an edit has a version before")
	}
}

// A new plan makes the plugins of what serves anew, with nothing to be tried, and tries what failed no second time.
func TestANewPlanTriesNothingAgain(t *testing.T) {
	t.Parallel()
	s := reload.NewScripts(nil)
	var seen []string
	resolve := func(plan, text string) {
		t.Helper()
		seen = nil
		tx := s.Begin(false)
		tx.Plan = plan
		v, err := tx.Resolve(snapshotOf(map[string]string{"a.star": text}), "a.star", "bindings",
			func(files fs.FS, before *reload.Version) (reload.Admitted, error) {
				got, err := admit(files, "a.star")
				seen = append(seen, fmt.Sprint(got.Plugins, " tried ", before == nil || !before.AdmittedIn("bindings")))
				return got, err
			})
		if err != nil || v.Plugins != "one" || !tx.Commit() {
			t.Fatalf("%+v, %v, want version one", v, err)
		}
	}
	f := func(plan, text string, want ...string) {
		t.Helper()
		if resolve(plan, text); !slices.Equal(seen, want) {
			t.Errorf("plan %s, %s: %q, want %q", plan, text, seen, want)
		}
	}
	f("1", "one", "one tried true")
	f("1", "one")
	f("2", "one", "one tried false")
	f("2", "BROKEN", "<nil> tried true")
	f("3", "BROKEN", "one tried false")
	f("3", "one")
}

func TestAnErrorWithoutAPlaceGetsTheScripts(t *testing.T) {
	t.Parallel()
	f := func(in error, want ...string) {
		t.Helper()
		s := reload.NewScripts(map[string]*reload.Snapshot{"x.star": snapshotOf(map[string]string{"x.star": "fine"})})
		tx := s.Begin(false)
		calls := 0
		_, err := tx.Resolve(snapshotOf(map[string]string{"x.star": "new"}), "x.star", "",
			func(fs.FS, *reload.Version) (reload.Admitted, error) {
				if calls++; calls == 1 {
					return reload.Admitted{}, in
				}
				return reload.Admitted{}, nil
			})
		if err != nil || !tx.Commit() {
			t.Fatal(err)
		}
		st := s.Status()[0]
		var got []string
		for _, e := range st.Errors {
			got = append(got, e.Error())
		}
		if len(got) != len(want) || got[0] != want[0] || got[len(got)-1] != want[len(want)-1] || !st.Version.LastGood {
			t.Errorf("status has %q, last good %v, want %q", got, st.Version.LastGood, want)
		}
	}
	one, two := &engine.ScriptError{File: "x.star", Line: 1, Message: "m"}, &engine.ScriptError{File: "l.star", Message: "n"}
	f(errors.New("plain"), "x.star: plain")
	f(one, "x.star:1: m")
	f(&engine.RuntimeError{Variant: engine.RuntimeLoadFailed, Cause: two}, "l.star: n")
	f(errors.Join(one, two), "x.star:1: m", "l.star: n")
}

func TestAWrongPathNamesTheRightOne(t *testing.T) {
	t.Parallel()
	f := func(path, want string) {
		t.Helper()
		snap := snapshotOf(map[string]string{"filters/tier.star": "", "lib/x.lua": ""})
		_, err := reload.NewScripts(nil).Begin(false).Resolve(snap, path, "", nil)
		if got := errorText(err); got != want {
			t.Errorf("Resolve(%q): %q, want %q", path, got, want)
		}
	}
	f("tier.star", `tier.star: no such file below the scripts root, did you mean "filters/tier.star"?`)
	f("filters/tier.lua", `filters/tier.lua: no such file below the scripts root, did you mean "filters/tier.star"?`)
	f("filters/y.star", `filters/y.star: no such file below the scripts root`)
}
