package reload_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"sluice/engine"
	"sluice/engine/reload"
)

func TestEveryWayToChangeAFileMakesTheNewVersionLive(t *testing.T) {
	t.Parallel()
	type step func(r *rig)
	plain := func(r *rig) { r.write("scripts/a.star", "old") }
	f := func(name string, before, change step) {
		t.Helper()
		for how, o := range map[string]reload.Options{"events": {}, "poll": {PollOnly: true, Poll: 10 * time.Millisecond}} {
			t.Run(name+" by "+how, func(t *testing.T) {
				t.Parallel()
				r := newRig(t)
				before(r)
				r.start(o, "a.star")
				r.untilLive("a.star", "old")
				change(r)
				r.untilLive("a.star", "new")
			})
		}
	}
	f("written in place", plain, func(r *rig) { r.write("scripts/a.star", "new") })
	f("renamed over", plain, func(r *rig) { r.replace("scripts/a.star", "new") })
	f("unlinked, created, written", plain, func(r *rig) {
		r.remove("scripts/a.star")
		r.write("scripts/a.star", "new")
	})
	f("moved aside, created, written", plain, func(r *rig) {
		r.rename("scripts/a.star", "scripts/a.star~")
		r.write("scripts/a.star", "new")
	})
	f("the file behind a link, in a directory elsewhere", func(r *rig) {
		r.mkdir("elsewhere")
		r.write("elsewhere/a", "old")
		r.symlink(r.path("elsewhere/a"), "scripts/a.star")
	}, func(r *rig) { r.replace("elsewhere/a", "new") })
	f("another link", func(r *rig) {
		r.write("one", "old")
		r.write("two", "new")
		r.symlink("../one", "scripts/a.star")
	}, func(r *rig) {
		r.symlink("../two", "link")
		r.rename("link", "scripts/a.star")
	})
	f("a config map", func(r *rig) {
		r.mkdir("scripts/..v1")
		r.write("scripts/..v1/a.star", "old")
		r.symlink("..v1", "scripts/..data")
		r.symlink("..data/a.star", "scripts/a.star")
	}, func(r *rig) {
		r.mkdir("scripts/..v2")
		r.write("scripts/..v2/a.star", "new")
		r.symlink("..v2", "scripts/..data_tmp")
		r.rename("scripts/..data_tmp", "scripts/..data")
		r.must(os.RemoveAll(r.path("scripts/..v1")))
	})
	f("a root that is a link to a release", func(r *rig) {
		r.remove("scripts")
		r.mkdir("r1")
		r.mkdir("r2")
		r.write("r1/a.star", "old")
		r.write("r2/a.star", "new")
		r.symlink("r1", "scripts")
	}, func(r *rig) {
		r.remove("scripts")
		r.symlink("r2", "scripts")
	})
	f("a root that is moved away and made anew", plain, func(r *rig) {
		r.rename("scripts", "gone")
		r.mkdir("scripts")
		r.write("scripts/a.star", "new")
	})
}

func TestANewDirectoryWithAFileAtOnceIsFound(t *testing.T) {
	t.Parallel()
	r := serving(t, "a.star", "old")
	r.replace("scripts/a.star", "load lib/deep/x.star")
	if n := r.untilNews(reload.Kept, "a.star"); n.Err.Error() != "a.star:1:1: no lib/deep/x.star" {
		t.Errorf("news %q", n)
	}
	r.mkdir("scripts/lib/deep")
	r.write("scripts/lib/deep/x.star", "x")
	r.untilLive("a.star", "load lib/deep/x.star+x")
	r.write("scripts/lib/deep/x.star", "y")
	r.untilLive("a.star", "load lib/deep/x.star+y")
}

func TestAnotherFileGoesLiveWhileOneIsWrittenWithoutEnd(t *testing.T) {
	t.Parallel()
	r := serving(t, "a.star", "old", "b.star", "old")
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
				os.WriteFile(r.path("scripts/a.star"), []byte(strconv.Itoa(i)), 0o644)
			}
		}
	}()
	r.replace("scripts/b.star", "new")
	r.untilLive("b.star", "new")
	close(stop)
	<-done
}

func TestADeletedFileServesUntilTheConfigStopsNamingIt(t *testing.T) {
	t.Parallel()
	r := serving(t, "a.star", "a", "b.star", "b")
	r.remove("scripts/a.star")
	r.untilNews(reload.Deleted, "a.star")
	if got := r.live("a.star"); got != "a" {
		t.Errorf("serves %q, want %q", got, "a")
	}
	if s := r.loop.Status().Scripts[0]; len(s.Errors) != 1 || s.Version.Path != "a.star" {
		t.Errorf("status %+v", s)
	}
	r.config("b.star")
	r.until("a.star is gone", func() bool { return len(r.loop.Status().Scripts) == 1 })
	r.write("scripts/a.star", "a")
	r.config("a.star", "b.star")
	r.untilLive("a.star", "a")
}

// TestAFileThatIsPutBackWasNeverGone: some editors remove a file and write it anew. Another script is edited meanwhile, so that the loop
// looks.
func TestAFileThatIsPutBackWasNeverGone(t *testing.T) {
	t.Parallel()
	r := serving(t, "a.star", "a", "b.star", "b")
	for try := range 50 {
		b, a, begin := fmt.Sprint("b", try), fmt.Sprint("a", try), time.Now()
		r.remove("scripts/a.star")
		for n := range 5 {
			r.replace("scripts/b.star", fmt.Sprint(b, n))
			r.untilLive("b.star", fmt.Sprint(b, n))
		}
		r.write("scripts/a.star", a)
		quick := time.Since(begin) < 200*time.Millisecond
		r.untilLive("a.star", a)
		if !quick {
			r.mu.Lock()
			r.news = nil
			r.mu.Unlock()
			continue // on a busy machine it was gone for long
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		for _, n := range r.news {
			if n.State != reload.Live {
				t.Errorf("news %q", n)
			}
		}
		return
	}
	t.Fatal("the machine was too busy to put a file back soon")
}

func TestABrokenEditKeepsItsVersionWhileAGoodOneGoesLive(t *testing.T) {
	t.Parallel()
	r := serving(t, "a.star", "a1", "b.lua", "b1")
	r.write("scripts/a.star", "fine\nBROKEN")
	r.write("scripts/b.lua", "b2")
	r.untilLive("b.lua", "b2")
	n := r.untilNews(reload.Kept, "a.star")
	if n.Err.Error() != "a.star:2:1: broken" || r.live("a.star") != "a1" {
		t.Errorf("news %q, live %q", n, r.live("a.star"))
	}
	s := r.loop.Status()
	if e := s.Scripts[0].Errors; len(e) != 1 || e[0].Line != 2 || e[0].File != "a.star" || s.Failed == 0 {
		t.Errorf("status %+v", s)
	}
	r.write("scripts/b.lua", "b3")
	r.untilLive("b.lua", "b3")
	if n := r.count("a.star"); n != 2 {
		t.Errorf("a.star was admitted %d times, want 2: what failed is not tried again", n)
	}
	r.write("scripts/a.star", "a1")
	r.untilNews(reload.Live, "a.star")
	if s := r.loop.Status(); len(s.Scripts[0].Errors) != 0 || r.count("a.star") != 2 {
		t.Errorf("the text that serves is back: status %+v, admitted %d times", s, r.count("a.star"))
	}
}

// An edit that the calls that run left no memory to be tried goes live once they do, though nobody touches a file.
func TestAnEditThatFindsNoMemoryIsTriedAgain(t *testing.T) {
	t.Parallel()
	r := serving(t, "a.star", "a1", "b.star", "b1")
	r.starve(true)
	r.write("scripts/a.star", "a2")
	if n := r.untilNews(reload.Kept, "a.star"); r.live("a.star") != "a1" {
		t.Errorf("news %q, live %q", n, r.live("a.star"))
	}
	r.starve(false)
	r.untilLive("a.star", "a2")
	n := r.untilNews(reload.Live, "a.star")
	if got := r.count("b.star"); got != 1 || n.Tests != 1 {
		t.Errorf("%+v; b.star was admitted %d times, want once", n, got)
	}
	built := r.built()
	r.write("scripts/b.star", "b2")
	r.untilLive("b.star", "b2")
	if got := r.built(); got != built+1 {
		t.Errorf("%d builds since all is well, want 1", got-built)
	}
}

// Scripts whose tests are slow are tried one a build: what else is on disk goes live in between, and all of them come to their turn.
func TestSlowTestsOfScriptsHoldNoOtherEditUpForLong(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	scripts := []string{"a.star", "b.star", "c.star", "d.star"}
	r.mkdir("next")
	for _, name := range scripts {
		r.write("scripts/"+name, "old")
		r.write("next/"+name, "SLOW")
	}
	r.write("next/d.star", "old")
	r.rename("scripts", "first")
	r.symlink("first", "scripts")
	r.start(reload.Options{}, scripts...)
	r.symlink("next", "link")
	r.rename("link", "scripts")
	r.until("the first slow tests run", func() bool { return r.count("a.star") == 2 })
	r.replace("next/a.star", "SLOW again")
	r.replace("next/d.star", "new")
	if n := r.untilNews(reload.Kept, "b.star"); n.Err.Error() != "b.star: the tests of other scripts take long, it is tried after them" {
		t.Errorf("news %q", n)
	}
	r.untilLive("d.star", "new")
	for name, text := range map[string]string{"a.star": "SLOW again", "b.star": "SLOW", "c.star": "SLOW"} {
		r.untilLive(name, text)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for n := uint64(1); n <= uint64(len(r.made)); n++ {
		made := r.made[n]
		if made["c.star"] != "old" && made["d.star"] != "new" {
			t.Error("an edit went live after all slow tests had run")
		}
		if made["a.star"] == "SLOW again" && made["c.star"] == "old" {
			t.Error("a script that is edited twice came before one that was put off")
		}
	}
}

// Scripts that a config names anew and whose tests are slow are tried in as many builds as they need: a config that does not name them counts
// in between, and what was tried is not tried again.
func TestSlowTestsOfNewScriptsHoldNoOtherEditUpForLong(t *testing.T) {
	t.Parallel()
	r := serving(t, "a.star", "a1")
	r.write("key", "k")
	slow := []string{"b.star", "c.star", "d.star"}
	for _, name := range slow {
		r.write("scripts/"+name, "SLOW")
	}
	all := append([]string{"a.star"}, slow...)
	r.config(all...)
	r.until("the first slow tests run", func() bool { return r.count("b.star") == 1 })
	r.replace("conf", "scripts "+r.path("scripts")+"\nuse a.star\nsecret "+r.path("key")+"\n")
	if n := r.untilNews(reload.Refused, r.path("conf")); n.Err.Error() != "c.star: the tests of other scripts take long, it is tried after them" {
		t.Errorf("news %q", n)
	}
	r.untilLive(r.path("key"), "k")
	if got := r.count("c.star"); got != 0 {
		t.Error("an edit counted after all slow tests had run")
	}
	r.config(all...)
	for _, name := range slow {
		r.untilLive(name, "SLOW")
	}
	if b, c, d := r.count("b.star"), r.count("c.star"), r.count("d.star"); b > 2 || c != 1 || d != 1 {
		t.Errorf("tried %d, %d and %d times, want once each, and the first once more after it was forgotten", b, c, d)
	}
}

// Nobody waits for a start to end: it tries all there is.
func TestAStartTriesAllScriptsHoweverSlow(t *testing.T) {
	t.Parallel()
	r := serving(t, "a.star", "SLOW", "b.star", "SLOW")
	if a, b, n := r.live("a.star"), r.live("b.star"), r.built(); a != "SLOW" || b != "SLOW" || n != 1 {
		t.Errorf("%q and %q serve after %d builds", a, b, n)
	}
}

// A script that a refused config names is not tried again for an edit that does not touch it.
func TestWhatARefusedConfigFailsForIsNotTriedAgain(t *testing.T) {
	t.Parallel()
	r := serving(t, "a.star", "a1")
	r.write("scripts/new.star", "BROKEN")
	r.config("a.star", "new.star")
	r.untilNews(reload.Refused, r.path("conf"))
	r.config("new.star", "a.star")
	r.untilNews(reload.Refused, r.path("conf"))
	if got := r.count("new.star"); got != 1 {
		t.Errorf("new.star was tried %d times, want once", got)
	}
	r.replace("scripts/new.star", "n1")
	r.untilLive("new.star", "n1")
}

// A config that is refused meanwhile, or was before, holds no script up that has found memory.
func TestAnEditThatFoundNoMemoryGoesLiveBesideARefusedConfig(t *testing.T) {
	t.Parallel()
	for _, before := range []bool{true, false} {
		r := serving(t, "a.star", "a1")
		refuse := func() {
			r.replace("conf", "nonsense\n")
			r.untilNews(reload.Refused, r.path("conf"))
		}
		if before {
			refuse()
		}
		r.starve(true)
		r.write("scripts/a.star", "a2")
		r.untilNews(reload.Kept, "a.star")
		if !before {
			refuse()
		}
		r.starve(false)
		r.untilLive("a.star", "a2")
	}
}

// Nor does a config stay refused for scripts that it names, or gives other bindings, and that found no memory.
func TestAConfigWhoseScriptsFoundNoMemoryIsTriedAgain(t *testing.T) {
	t.Parallel()
	for _, use := range [][]string{{"a.star", "new.star"}, {"a.star other"}} {
		r := serving(t, "a.star", "a1")
		r.write("scripts/new.star", "n1")
		r.starve(true)
		r.config(use...)
		r.untilNews(reload.Refused, r.path("conf"))
		r.starve(false)
		r.untilNews(reload.Live, r.path("conf"))
		if s := r.loop.Status(); s.Refused != nil || len(s.Scripts) != len(use) {
			t.Errorf("%q: %+v", use, s)
		}
	}
}

// What is tried again and finds no memory once more makes no generation, counts as no round and is no news.
func TestWhatFindsNoMemoryAgainChangesNothing(t *testing.T) {
	t.Parallel()
	edit := func(r *rig) {
		r.replace("scripts/a.star", "a2")
		r.untilNews(reload.Kept, "a.star")
	}
	refuse := func(line string) func(*rig) {
		return func(r *rig) {
			r.replace("conf", "scripts "+r.path("scripts")+"\nuse a.star\n"+line+"\n")
			r.untilNews(reload.Refused, r.path("conf"))
		}
	}
	for name, steps := range map[string][]func(*rig){
		"an edit":                          {edit},
		"an edit beside a refused config":  {refuse("nonsense"), edit},
		"a config that names a new script": {refuse("use new.star")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := serving(t, "a.star", "a1")
			r.write("scripts/new.star", "n1")
			r.starve(true)
			for _, step := range steps {
				step(r)
			}
			before, built := r.loop.Status(), r.built()
			r.mu.Lock()
			r.before = func(*reload.Input) { r.report(reload.Report{}) }
			r.mu.Unlock()
			r.until("it is tried again", func() bool { return r.built() >= built+3 })
			after := r.loop.Status()
			if after.Generation != before.Generation || after.Failed != before.Failed || after.OK != before.OK {
				t.Errorf("status %+v, before %+v", after, before)
			}
			r.mu.Lock()
			defer r.mu.Unlock()
			if len(r.news) > 0 {
				t.Errorf("news %q", r.news)
			}
		})
	}
}

// A generation that is made and found to be as the one that serves ends what was begun for it, such as the goroutines of observers.
func TestAGenerationThatIsNotPublishedIsClosed(t *testing.T) {
	t.Parallel()
	r := serving(t, "a.star", "a1")
	r.starve(true)
	r.replace("scripts/a.star", "a2")
	r.untilNews(reload.Kept, "a.star")
	built := r.built()
	r.mu.Lock()
	r.before = func(*reload.Input) { r.report(reload.Report{}) }
	r.mu.Unlock()
	r.until("it is tried again", func() bool { return r.built() >= built+3 })
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.open > 2 {
		t.Errorf("%d generations are open, want the one that serves and one that is being made", r.open)
	}
}

// What fails in another way than for memory, once there is some, is told, also where the first of its errors is the same.
func TestWhatFailsOtherwiseOnceThereIsMemoryIsTold(t *testing.T) {
	t.Parallel()
	wrong := func(message string) error { return &engine.ScriptError{File: "a.star", Line: 2, Message: message} }
	r := serving(t, "a.star", "a1")
	r.fail(errors.Join(wrong("first"), errStarved))
	r.write("scripts/a.star", "a2")
	r.untilNews(reload.Kept, "a.star")
	r.fail(errors.Join(wrong("first"), wrong("second")))
	r.until("the second error is told", func() bool {
		told := r.loop.Status().Scripts[0].Errors
		return len(told) == 2 && told[1].Message == "second"
	})
}

// Who saves all the time leaves requests half of the processor, however long a build takes.
func TestALongBuildIsFollowedByARestAsLong(t *testing.T) {
	t.Parallel()
	const long = 200 * time.Millisecond
	r := serving(t, "a.star", "a1")
	var begin, end, next time.Time
	r.mu.Lock()
	r.before = func(*reload.Input) {
		if next = time.Now(); begin.IsZero() {
			begin = next
			r.replace("scripts/a.star", "a3")
			time.Sleep(long)
			end = time.Now()
		}
	}
	r.mu.Unlock()
	r.replace("scripts/a.star", "a2")
	r.untilLive("a.star", "a3")
	if took, rested := end.Sub(begin), next.Sub(end); rested < took {
		t.Errorf("a build of %v is followed by a rest of %v", took, rested)
	}
}

func TestALibraryReloadsTheScriptsThatLoadIt(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.mkdir("scripts/lib")
	r.write("scripts/lib/x.star", "x1")
	r.write("scripts/a.star", "load lib/x.star")
	r.write("scripts/b.star", "load lib/x.star")
	r.write("scripts/c.star", "c")
	r.start(reload.Options{}, "a.star", "b.star", "c.star")
	r.replace("scripts/lib/x.star", "x2")
	r.untilLive("a.star", "load lib/x.star+x2")
	r.untilLive("b.star", "load lib/x.star+x2")
	r.replace("scripts/lib/x.star", "BROKEN")
	r.untilNews(reload.Kept, "a.star")
	r.untilNews(reload.Kept, "b.star")
	if o, err := r.loop.Reload(t.Context()); err != nil || errorText(o.Err) != "lib/x.star:1:1: broken" {
		t.Errorf("Reload says %v, %v, want the error once", o.Err, err)
	}
	if r.live("a.star") != "load lib/x.star+x2" || r.count("a.star") != 4 || r.count("c.star") != 1 {
		t.Errorf("live %q, a admitted %d times, c %d", r.live("a.star"), r.count("a.star"), r.count("c.star"))
	}
}

func TestLostEventsAreMadeUpForByReading(t *testing.T) {
	t.Parallel()
	limit, err := os.ReadFile("/proc/sys/fs/inotify/max_queued_events")
	if err != nil {
		t.Fatal(err)
	}
	queue, err := strconv.Atoi(strings.TrimSpace(string(limit)))
	if err != nil {
		t.Fatal(err)
	}
	r := newRig(t)
	r.write("scripts/a.star", "old")
	r.write("scripts/b.star", "old")
	r.write("scripts/x.star", "")
	r.start(reload.Options{}, "a.star", "b.star")
	building, goOn := make(chan struct{}), make(chan struct{})
	r.mu.Lock()
	r.before = func(*reload.Input) {
		close(building)
		r.mu.Lock()
		r.before = nil
		r.mu.Unlock()
		<-goOn
	}
	r.mu.Unlock()
	r.replace("scripts/b.star", "new")
	<-building
	for range queue/4 + 2000 { // a rename is two events; nobody reads them meanwhile
		r.rename("scripts/x.star", "scripts/y.star")
		r.rename("scripts/y.star", "scripts/x.star")
	}
	r.replace("scripts/a.star", "new")
	close(goOn)
	r.untilLive("a.star", "new")
}

func TestABrokenConfigStopsNoScript(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.write("scripts/a.star", "a1")
	r.write("scripts/b.star", "b1")
	r.start(reload.Options{}, "a.star")
	r.replace("conf", "nonsense\n")
	r.untilNews(reload.Refused, r.path("conf"))
	if s := r.loop.Status(); s.Refused == nil || r.live("a.star") != "a1" || r.built() != 2 {
		t.Errorf("status %+v, %d builds, want 2: what serves is not built again", s, r.built())
	}
	r.replace("scripts/a.star", "a2")
	r.untilLive("a.star", "a2")
	r.replace("scripts/a.star", "BROKEN")
	r.untilNews(reload.Kept, "a.star")
	r.config("a.star", "c.star")
	if n := r.untilNews(reload.Refused, r.path("conf")); !strings.Contains(n.String(), "c.star: no such file") {
		t.Errorf("news %q", n)
	}
	r.write("scripts/c.star", "c")
	r.untilLive("c.star", "c")
	r.untilNews(reload.Live, r.path("conf"))
	if got := r.live("a.star"); got != "a2" {
		t.Errorf("a.star is %q, want its last good version", got)
	}
	r.config("b.star")
	r.untilNews(reload.Live, r.path("conf"))
	if s := r.loop.Status(); s.Refused != nil || len(s.Scripts) != 1 || r.live("b.star") != "b1" {
		t.Errorf("status %+v", s)
	}
}

func TestAConfigThatIsRemovedStaysInForce(t *testing.T) {
	t.Parallel()
	r := serving(t, "a.star", "a1")
	r.remove("conf")
	r.untilNews(reload.Refused, r.path("conf"))
	r.replace("scripts/a.star", "a2")
	r.untilLive("a.star", "a2")
	r.config("a.star")
	r.until("the config is back", func() bool { return r.loop.Status().Refused == nil })
}

func TestARotatedSecretIsReadAgain(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.mkdir("run/..1")
	r.write("run/..1/key", "k1")
	r.write("scripts/a.star", "a1")
	r.symlink("..1", "run/..data")
	r.symlink("..data/key", "run/key")
	conf := "scripts " + r.path("scripts") + "\nsecret " + r.path("run/key") + "\nuse a.star\n"
	r.replace("conf", conf)
	r.must(r.tryStart(reload.Options{}))
	rotate := func(n string) {
		r.mkdir("run/.." + n)
		r.write("run/.."+n+"/key", "k"+n)
		r.symlink(".."+n, "run/..tmp")
		r.rename("run/..tmp", "run/..data")
	}
	rotate("2")
	r.untilLive(r.path("run/key"), "k2")
	r.replace("conf", "nonsense")
	r.untilNews(reload.Refused, r.path("conf"))
	rotate("3")
	r.untilLive(r.path("run/key"), "k3")
	r.replace("conf", conf)
	r.untilNews(reload.Live, r.path("conf"))
	r.remove("run/key")
	r.untilNews(reload.Refused, r.path("conf"))
	r.replace("scripts/a.star", "a2")
	r.untilLive("a.star", "a2")
	if got := r.live(r.path("run/key")); got != "k3" {
		t.Errorf("the secret is %q, want the one before", got)
	}
	r.write("run/key", "k4")
	r.untilLive(r.path("run/key"), "k4")
}

func TestAnOlderBuildNeverReplacesANewerOne(t *testing.T) {
	t.Parallel()
	r := serving(t, "a.star", "old")
	closed := make(chan uint64, 8)
	r.mu.Lock()
	r.before = func(in *reload.Input) {
		if in.Number < 50 {
			r.world.Publish(&engine.Generation{Number: 50})
		}
		closed <- in.Number
	}
	r.mu.Unlock()
	r.replace("scripts/a.star", "new")
	r.untilLive("a.star", "new")
	if first, second := <-closed, <-closed; first != 2 || second != 51 {
		t.Errorf("built %d, then %d, want 2 and, above the one that came between, 51", first, second)
	}
	if got := r.loop.Status().Generation; got != 51 {
		t.Errorf("generation %d, want 51", got)
	}
}

func TestOneChangeIsReportedOnce(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.write("scripts/a.star", "a1")
	r.start(reload.Options{PollOnly: true, Poll: time.Millisecond}, "a.star")
	r.untilNews(reload.Live, "a.star")
	r.write("scripts/a.star", "BROKEN")
	r.untilNews(reload.Kept, "a.star")
	r.replace("conf", "nonsense")
	r.untilNews(reload.Refused, r.path("conf"))
	built := r.built()
	for range 3 {
		if _, err := r.loop.Reload(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.news) > 0 {
		t.Errorf("more news: %v", r.news)
	}
	if n := r.builds - built; n != 6 {
		t.Errorf("%d builds for 3 rounds under a broken config, want 6: polls build nothing", n)
	}
}

func TestABuildThatPanicsIsAnError(t *testing.T) {
	t.Parallel()
	r := serving(t, "a.star", "a1")
	r.mu.Lock()
	r.before = func(in *reload.Input) {
		if strings.Contains(string(in.Config), "secret") {
			panic("oh")
		}
	}
	r.mu.Unlock()
	r.replace("conf", "secret x\n")
	if n := r.untilNews(reload.Refused, r.path("conf")); !strings.Contains(n.String(), "build: panic: oh") {
		t.Errorf("news %q", n)
	}
	r.replace("scripts/a.star", "a2")
	r.untilLive("a.star", "a2")
	r.mu.Lock()
	r.before = func(*reload.Input) { panic("at anything") }
	r.mu.Unlock()
	r.config("a.star")
	r.until("the config is tried again", func() bool { return strings.Contains(fmt.Sprint(r.loop.Status().Refused), "anything") })
	before := r.built()
	if _, err := r.loop.Reload(t.Context()); err != nil || r.built() != before+1 {
		t.Errorf("%d builds of the same files, %v, want 1", r.built()-before, err)
	}
}
