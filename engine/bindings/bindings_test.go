package bindings_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"testing"

	"github.com/google/uuid"

	"sluice/engine"
	"sluice/engine/bindings"
)

func open(t *testing.T, name string) *bindings.Log {
	t.Helper()
	l, err := bindings.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestBindingsOutliveTheProcess(t *testing.T) {
	name := filepath.Join(t.TempDir(), "bindings.jsonl")
	l := open(t, name)
	want := engine.Binding{Principal: "alice", Upstream: uuid.New()}
	must(t, l.Bind("file_1", want))
	must(t, l.Bind("file_2", want))
	must(t, l.Forget("file_2"))
	must(t, l.Forget("file_3"))
	l = open(t, name) // the first one was not closed: that is a kill
	for _, l := range []*bindings.Log{l, open(t, name)} {
		if got, known := l.Lookup("file_1"); !known || got != want {
			t.Errorf("%+v, %v, want %+v", got, known, want)
		}
		if _, known := l.Lookup("file_2"); known {
			t.Error("what was forgotten is known")
		}
	}
	text, err := os.ReadFile(name)
	must(t, err)
	if bytes.Count(text, []byte{'\n'}) != 1 {
		t.Errorf("%s: want what is gone left out", text)
	}
}

func TestWhetherAnythingIsKnown(t *testing.T) {
	name := filepath.Join(t.TempDir(), "bindings.jsonl")
	l := open(t, name)
	f := func(after string, want bool) {
		t.Helper()
		if again := open(t, name); l.Any() != want || again.Any() != want {
			t.Errorf("%s: %v, and %v when opened anew, want %v", after, l.Any(), again.Any(), want)
		}
		l = open(t, name)
	}
	f("nothing", false)
	must(t, l.Bind("file_1", engine.Binding{Principal: "alice", Upstream: uuid.New()}))
	f("bind", true)
	must(t, l.Forget("file_1"))
	f("forget", false)
}

func TestATornLineIsNoBinding(t *testing.T) {
	name := filepath.Join(t.TempDir(), "bindings.jsonl")
	l := open(t, name)
	must(t, l.Bind("file_1", engine.Binding{Principal: "alice", Upstream: uuid.New()}))
	must(t, l.Bind("file_2", engine.Binding{Principal: "alice", Upstream: uuid.New()}))
	whole, err := os.ReadFile(name)
	must(t, err)
	first := bytes.IndexByte(whole, '\n') + 1
	for size := first; size < len(whole)-1; size++ {
		must(t, os.WriteFile(name, slices.Clone(whole[:size]), 0o600))
		l := open(t, name)
		_, one := l.Lookup("file_1")
		_, two := l.Lookup("file_2")
		if !one || two {
			t.Fatalf("cut at %d: the first known: %v, the second: %v", size, one, two)
		}
		must(t, l.Close())
	}
}

// A full disk is no reason not to start.
func TestBindingsGoOnInTheOldFileWhereThereIsNoRoomForANewOne(t *testing.T) {
	name := filepath.Join(t.TempDir(), "bindings.jsonl")
	l := open(t, name)
	must(t, l.Bind("file_1", engine.Binding{Principal: "alice", Upstream: uuid.New()}))
	must(t, l.Close())
	whole, err := os.ReadFile(name)
	must(t, err)
	must(t, os.WriteFile(name, append(whole, whole[:9]...), 0o600)) // cut off by a crash
	must(t, os.MkdirAll(filepath.Join(name+".new", "in the way"), 0o700))
	must(t, open(t, name).Bind("file_2", engine.Binding{Principal: "alice", Upstream: uuid.New()}))
	l = open(t, name)
	for _, id := range []string{"file_1", "file_2"} {
		if _, known := l.Lookup(id); !known {
			t.Errorf("%s is gone", id)
		}
	}
}

// TestWhatFoundNoRoomIsWrittenOnceThereIsSome has a process to itself, where a limit on files hits nobody else's.
func TestWhatFoundNoRoomIsWrittenOnceThereIsSome(t *testing.T) {
	const alone = "SLUICE_TEST_ALONE"
	if os.Getenv(alone) == "" {
		c := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$")
		c.Env = append(os.Environ(), alone+"=1")
		if out, err := c.CombinedOutput(); err != nil {
			t.Errorf("%v\n%s", err, out)
		}
		return
	}
	signal.Ignore(syscall.SIGXFSZ)
	var room syscall.Rlimit
	must(t, syscall.Getrlimit(syscall.RLIMIT_FSIZE, &room))
	full := syscall.Rlimit{Cur: 200, Max: room.Max}
	t.Cleanup(func() { syscall.Setrlimit(syscall.RLIMIT_FSIZE, &room) })
	dir, some := t.TempDir(), engine.Binding{Principal: "alice", Upstream: uuid.New()}
	for _, next := range []string{"bind", "close"} {
		name := filepath.Join(dir, next)
		l := open(t, name)
		must(t, l.Bind("file_1", some))
		must(t, syscall.Setrlimit(syscall.RLIMIT_FSIZE, &full))
		for _, id := range []string{"file_2", "file_3"} {
			if err := l.Bind(id, some); err == nil {
				t.Fatalf("%s: the disk is not full", id)
			}
		}
		must(t, syscall.Setrlimit(syscall.RLIMIT_FSIZE, &room))
		if next == "bind" {
			must(t, l.Bind("file_4", some))
		} else {
			must(t, l.Close())
		}
		again := open(t, name)
		for _, id := range []string{"file_1", "file_2", "file_3"} {
			if got, known := again.Lookup(id); !known || got != some {
				t.Errorf("%s after the next %s: %+v, %v, want %+v", id, next, got, known, some)
			}
		}
	}
}

func TestBindingsAreMadeFromManyGoroutines(t *testing.T) {
	name := filepath.Join(t.TempDir(), "bindings.jsonl")
	l := open(t, name)
	u := uuid.New()
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for j := range 10 {
				id := fmt.Sprintf("file_%d_%d", i, j)
				if err := l.Bind(id, engine.Binding{Principal: fmt.Sprint(i), Upstream: u}); err != nil {
					t.Error(err)
				}
				if b, known := l.Lookup(id); !known || b.Principal != fmt.Sprint(i) {
					t.Errorf("%s: %+v, %v", id, b, known)
				}
			}
		})
	}
	wg.Wait()
	l = open(t, name)
	for i := range 8 {
		for j := range 10 {
			if _, known := l.Lookup(fmt.Sprintf("file_%d_%d", i, j)); !known {
				t.Errorf("file_%d_%d is gone", i, j)
			}
		}
	}
}

func TestAFolderThatIsNotThereIsToldOf(t *testing.T) {
	if _, err := bindings.Open(filepath.Join(t.TempDir(), "none", "bindings.jsonl")); err == nil {
		t.Error("no error")
	}
}

// TestContainersMakeRoomForWhatStays: a file that is forgotten is anybody's.
func TestContainersMakeRoomForWhatStays(t *testing.T) {
	name := filepath.Join(t.TempDir(), "bindings.jsonl")
	const most = 500_000
	var text bytes.Buffer
	add := func(kind string, from, to int) {
		for i := from; i < to; i++ {
			fmt.Fprintf(&text, `{"id":"%s_%d","principal":"alice","upstream":"01000000-0000-0000-0000-000000000000","made":%d}`+"\n", kind, i, i)
		}
	}
	add("file", 0, 30_000)
	add("container", 30_000, 70_000)
	add("file", 70_000, most)
	if err := os.WriteFile(name, text.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	l := open(t, name)
	f := func(id string, want bool) {
		t.Helper()
		if _, is := l.Lookup(id); is != want {
			t.Errorf("%s is known: %v, want %v", id, is, want)
		}
	}
	f("file_0", true)
	f("container_69999", true)
	if err := l.Bind("container_x", engine.Binding{Principal: "alice", Upstream: uuid.UUID{1}}); err != nil {
		t.Fatal(err)
	}
	f("container_30000", false)
	f("container_69999", false) // 40,001 of them are less than a tenth of all
	f("file_9998", false)
	f("file_9999", true)
}
