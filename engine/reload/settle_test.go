package reload_test

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"sluice/engine/reload"
)

// A writer that stalls for longer than a file must stand still is none of this test's: it is repeated then.
func TestAFileThatIsBeingWrittenIsNotReadHalfWay(t *testing.T) {
	t.Parallel()
	truncate := func(name string) (*os.File, error) { return os.OpenFile(name, os.O_WRONLY|os.O_TRUNC, 0) }
	anew := func(name string) (*os.File, error) {
		if err := os.Remove(name); err != nil {
			return nil, err
		}
		return os.Create(name)
	}
	f := func(name string, open func(string) (*os.File, error), o reload.Options) {
		for suffix, date := range map[string]time.Time{"": {}, ", with an old date": time.Now().Add(-time.Hour)} {
			t.Run(name+suffix, func(t *testing.T) {
				t.Parallel()
				for range 50 {
					if writeInPieces(t, open, date, o) {
						return
					}
				}
				t.Error("50 times the writer stalled")
			})
		}
	}
	f("truncated, by events", truncate, reload.Options{})
	f("truncated, by poll", truncate, reload.Options{PollOnly: true, Poll: time.Millisecond})
	f("created, by events", anew, reload.Options{})
	f("created, by poll", anew, reload.Options{PollOnly: true, Poll: time.Millisecond})
}

// writeInPieces writes a.star in many pieces, each dated if date is not zero, and b.star meanwhile. It reports whether it went without
// a stall.
func writeInPieces(t *testing.T, open func(string) (*os.File, error), date time.Time, o reload.Options) bool {
	r := newRig(t)
	r.write("scripts/a.star", "old")
	r.write("scripts/b.star", "old")
	r.start(o, "a.star", "b.star")
	defer r.loop.Close()
	last := time.Now()
	out, err := open(r.path("scripts/a.star"))
	r.must(err)
	defer out.Close()
	r.replace("scripts/b.star", "new")
	for range 20 {
		<-time.After(8 * time.Millisecond) // time enough to be read, too little to stand still
		_, err := out.WriteString("x")
		r.must(err)
		r.must(out.Chmod(0o600))
		r.must(os.Chtimes(out.Name(), date, date)) // zero changes nothing
		if time.Since(last) > 20*time.Millisecond {
			return false
		}
		last = time.Now()
	}
	r.untilLive("a.star", strings.Repeat("x", 20))
	f := func(name string) {
		t.Helper()
		if got := r.texts(name); len(got) != 2 {
			t.Errorf("%s was built from %v, want only the old text and the whole new one", name, got)
		}
	}
	f("a.star")
	f("b.star")
	return true
}

// A stall of the writer lets a reload end, rightly. On a machine so busy that each run has one, all that shows is that it ends.
func TestAReloadEndsBeforeAWriterWithoutEnd(t *testing.T) {
	t.Parallel()
	for range 10 {
		if reloadUnderWriter(t) {
			return
		}
	}
	t.Log("10 times the writer stalled")
}

// reloadUnderWriter reloads while a.star is written over and over. It reports whether that went without a stall.
func reloadUnderWriter(t *testing.T) bool {
	r := serving(t, "a.star", "old")
	defer r.loop.Close()
	last, worst := time.Now(), time.Duration(0)
	r.write("scripts/a.star", "x")
	stop, stalled := make(chan struct{}), make(chan bool)
	go func() {
		for i := 2; ; i++ {
			select {
			case <-stop:
				stalled <- max(worst, time.Since(last)) > 20*time.Millisecond
				return
			case <-time.After(time.Millisecond):
				os.WriteFile(r.path("scripts/a.star"), []byte(strings.Repeat("x", i)), 0o644)
				worst, last = max(worst, time.Since(last)), time.Now()
			}
		}
	}()
	_, err := r.loop.Reload(t.Context())
	r.must(err)
	texts := r.texts("a.star")
	close(stop)
	if <-stalled {
		return false
	}
	if len(texts) != 1 {
		t.Errorf("built from %v, want what was there before the writer began", texts)
	}
	return true
}

// It counts the reads of this process, so it runs alone.
func TestALoopWithNothingToDoReadsNothing(t *testing.T) {
	r := serving(t, "a.star", "old")
	r.write("scripts/a.star", "new")
	r.untilLive("a.star", "new")
	before := systemReads(t)
	<-time.After(200 * time.Millisecond)
	if n := systemReads(t) - before; n > 100 {
		t.Errorf("%d reads in 200 ms of idleness", n)
	}
}

func systemReads(t *testing.T) int {
	text, err := os.ReadFile("/proc/self/io")
	if err != nil {
		t.Fatal(err)
	}
	_, after, _ := strings.Cut(string(text), "syscr: ")
	n, err := strconv.Atoi(strings.SplitN(after, "\n", 2)[0])
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestAConfigWaitsForTheScriptItNamesFirst(t *testing.T) {
	t.Parallel()
	r := serving(t, "a.star", "a")
	r.write("scripts/b.star", "b")
	r.config("a.star", "b.star")
	r.untilLive("b.star", "b")
	if s := r.loop.Status(); s.Failed != 0 {
		t.Errorf("status %+v, want no round that failed", s)
	}
}

func TestEditsInQuickSuccessionEndWithTheLastOne(t *testing.T) {
	t.Parallel()
	f := func(edits int, apart time.Duration) {
		t.Helper()
		r := serving(t, "a.star", "old")
		begin := time.Now()
		for i := range edits {
			r.replace("scripts/a.star", strconv.Itoa(i))
			<-time.After(time.Until(begin.Add(time.Duration(i+1) * apart)))
		}
		took := time.Since(begin)
		r.untilLive("a.star", strconv.Itoa(edits-1))
		if most := int(took/(20*time.Millisecond)) + 3; r.built() > most {
			t.Errorf("%d builds in %v, want at most %d", r.built(), took, most)
		}
	}
	f(200, 5*time.Millisecond)
	f(100, 10*time.Millisecond)
}

func TestADirectoryMadeAnewIsWatchedAnew(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.mkdir("scripts/lib")
	r.write("scripts/lib/x.star", "x")
	r.write("scripts/a.star", "load lib/x.star")
	r.start(reload.Options{}, "a.star")
	for i := range 3 {
		r.must(os.RemoveAll(r.path("scripts/lib")))
		r.mkdir("scripts/lib")
		r.write("scripts/lib/x.star", strconv.Itoa(i))
		r.untilLive("a.star", "load lib/x.star+"+strconv.Itoa(i))
		r.replace("scripts/lib/x.star", "again")
		r.untilLive("a.star", "load lib/x.star+again")
	}
}

// It counts the kernel's watches of this process, so it runs alone.
func TestWhatIsNoLongerReadIsNoLongerWatched(t *testing.T) {
	r := newRig(t)
	release := func(n string) {
		r.mkdir("r" + n)
		r.write("r"+n+"/a.star", n)
		r.symlink("r"+n, "next")
		r.rename("next", "scripts")
		r.untilLive("a.star", n)
	}
	r.remove("scripts")
	r.mkdir("r0")
	r.write("r0/a.star", "0")
	r.symlink("r0", "scripts")
	r.mkdir("run")
	r.write("run/key", "k")
	r.start(reload.Options{}, "a.star")
	release("1")
	before := kernelWatches(t)
	for i := range 5 {
		release(strconv.Itoa(i + 2))
	}
	r.replace("conf", "scripts "+r.path("scripts")+"\nsecret "+r.path("run/key")+"\nuse a.star\n")
	r.untilLive(r.path("run/key"), "k")
	r.config("a.star")
	r.untilLive(r.path("run/key"), "")
	release("9")
	if now := kernelWatches(t); now != before {
		t.Errorf("%d watches, %d before", now, before)
	}
}

func kernelWatches(t *testing.T) (n int) {
	all, err := filepath.Glob("/proc/self/fdinfo/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range all {
		text, _ := os.ReadFile(name) // the one of the glob itself is gone
		n += strings.Count(string(text), "inotify wd:")
	}
	return n
}
