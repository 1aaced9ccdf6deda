package reload_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"sluice/engine/reload"
)

// restart ends the rig's loop and data directory and starts both again.
func (r *rig) restart(data **reload.Data) error {
	r.t.Helper()
	if *data != nil {
		r.loop.Close()
		r.must((*data).Close())
	}
	var err error
	*data, err = reload.OpenData(r.path("data"))
	r.must(err)
	return r.tryStart(reload.Options{Data: *data})
}

func TestAScriptThatFailsAtStartRunsItsLastGoodCopy(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	var data *reload.Data
	r.mkdir("scripts/lib")
	r.write("scripts/lib/x.star", "x1")
	r.write("scripts/a.star", "load lib/x.star")
	r.write("scripts/b.star", "b1")
	r.config("a.star", "b.star")
	r.must(r.restart(&data))
	r.write("scripts/lib/x.star", "BROKEN")
	r.write("scripts/b.star", "b2")
	r.untilLive("b.star", "b2")
	r.must(r.restart(&data))
	n := r.untilNews(reload.LastGood, "a.star")
	if !strings.HasPrefix(n.String(), "lib/x.star:1:1: broken; RUNNING THE LAST GOOD COPY of a.star") {
		t.Errorf("news %q", n)
	}
	if r.live("a.star") != "load lib/x.star+x1" || r.live("b.star") != "b2" {
		t.Errorf("serves %q and %q", r.live("a.star"), r.live("b.star"))
	}
	r.remove("scripts/a.star")
	r.must(r.restart(&data))
	r.untilNews(reload.LastGood, "a.star")
	r.write("scripts/a.star", "load lib/x.star")
	r.write("scripts/lib/x.star", "x1")
	r.untilNews(reload.Live, "a.star")
	if v := r.loop.Status().Scripts[0].Version; v.LastGood {
		t.Errorf("the file is what its copy was, and still %+v serves", v)
	}
	r.write("scripts/lib/x.star", "x2")
	r.untilLive("a.star", "load lib/x.star+x2")
	r.loop.Close()
}

func TestAStartWithoutALastGoodCopyFailsWithTheScriptsError(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.write("scripts/a.star", "1\n2\nBROKEN")
	r.config("a.star")
	f := func(o reload.Options) {
		t.Helper()
		if err := r.tryStart(o); fmt.Sprint(err) != "a.star:3:1: broken" {
			t.Errorf("Start: %v, want the script's error", err)
		}
		if len(r.news) > 0 {
			t.Errorf("reports %v besides", r.news)
		}
	}
	f(reload.Options{})
	data, err := reload.OpenData(r.path("data"))
	r.must(err)
	f(reload.Options{Data: data})
	r.must(data.Close())
}

func TestADamagedCopyIsNotTrusted(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	var data *reload.Data
	r.write("scripts/a.star", "good")
	r.config("a.star")
	r.must(r.restart(&data))
	text, err := os.ReadFile(r.path("data/scripts.json"))
	r.must(err)
	f := func(saved, want string) {
		t.Helper()
		r.write("data/scripts.json", saved)
		r.must(r.restart(&data))
		n := r.untilNews(reload.Trouble, "")
		if !strings.Contains(n.String(), want) {
			t.Errorf("news %q, want %q", n, want)
		}
		if now, _ := os.ReadFile(r.path("data/scripts.json")); string(now) != string(text) {
			t.Errorf("saved %q, want what is live", now)
		}
	}
	f("{", "unexpected end of JSON input")
	f(strings.Replace(string(text), "Z29vZA==", "ZXZpbA==", 1), "does not have the sum")
}

func TestADamagedCopyCostsNoOtherScriptIts(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	var data *reload.Data
	r.write("scripts/a.star", "good")
	r.write("scripts/b.star", "fine")
	r.config("a.star", "b.star")
	r.must(r.restart(&data))
	text, err := os.ReadFile(r.path("data/scripts.json"))
	r.must(err)
	r.write("data/scripts.json", strings.Replace(string(text), `"Z29vZA=="`, "null", 1))
	r.write("scripts/b.star", "BROKEN")
	r.must(r.restart(&data))
	if n := r.untilNews(reload.Trouble, ""); !strings.HasPrefix(n.String(), "read the last good copy of a.star in ") {
		t.Errorf("news %q", n)
	}
	r.untilNews(reload.LastGood, "b.star")
	if r.live("a.star") != "good" || r.live("b.star") != "fine" {
		t.Errorf("serves %q and %q", r.live("a.star"), r.live("b.star"))
	}
}

func TestACopyIsWrittenOnlyWhenItChanges(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	var data *reload.Data
	r.write("scripts/a.star", "good")
	r.config("a.star")
	r.must(r.restart(&data))
	before, err := os.Stat(r.path("data/scripts.json"))
	r.must(err)
	f := func(again func() error) {
		t.Helper()
		r.must(again())
		after, err := os.Stat(r.path("data/scripts.json"))
		r.must(err)
		if !os.SameFile(before, after) {
			t.Error("the same copies were written again")
		}
	}
	reloaded := func() error {
		_, err := r.loop.Reload(t.Context())
		return err
	}
	f(reloaded)
	f(func() error { return r.restart(&data) })
	f(reloaded)
}

// TestAFileThatCannotBeReplacedLeavesNothingBeside: where a disk is full, half a file takes what room there is.
func TestAFileThatCannotBeReplacedLeavesNothingBeside(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	data, err := reload.OpenData(r.path("data"))
	r.must(err)
	defer data.Close()
	r.mkdir("data/taken")
	if err := data.Replace("taken", []byte("text")); err == nil {
		t.Error("a file took the place of a directory")
	}
	if _, err := os.Stat(r.path("data/taken.new")); !os.IsNotExist(err) {
		t.Errorf("taken.new is left: %v", err)
	}
}

func TestTheDataDirectoryHasOneHolder(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	first, err := reload.OpenData(r.path("new/data"))
	r.must(err)
	_, err = reload.OpenData(r.path("new/data"))
	want := fmt.Sprintf("data directory %q is in use by process %d: stop that, or give another \"data\"", r.path("new/data"), os.Getpid())
	if fmt.Sprint(err) != want {
		t.Errorf("a second holder: %v, want %q", err, want)
	}
	r.write("new/data/lock", "1 another-pod\n")
	_, err = reload.OpenData(r.path("new/data"))
	want = fmt.Sprintf(`data directory %q is in use by process 1 of host "another-pod": stop that, or give another "data"`, r.path("new/data"))
	if fmt.Sprint(err) != want {
		t.Errorf("a holder elsewhere: %v, want %q", err, want)
	}
	r.must(first.Close())
	again, err := reload.OpenData(r.path("new/data"))
	r.must(err)
	r.must(again.Close())
}

func TestADataDirectoryThatCannotBeIsAnError(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.write("file", "")
	f := func(dir, want string) {
		t.Helper()
		if _, err := reload.OpenData(dir); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("OpenData(%q): %v, want %q", dir, err, want)
		}
	}
	f(r.path("file"), `make the data directory `)
	f(r.path("file/data"), `make the data directory `)
	f("/proc/self", `data directory "/proc/self" is not writable, want one that this user may write`)
}
