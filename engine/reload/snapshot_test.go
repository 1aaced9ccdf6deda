package reload_test

import (
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"sluice/engine/reload"
)

func TestASnapshotHasEveryScriptBelowItsRoot(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.mkdir("scripts/filters/deep")
	r.mkdir("scripts/.git")
	r.mkdir("scripts/..v1/dialects")
	r.mkdir("outside")
	r.write("scripts/a.star", "a")
	r.write("scripts/filters/deep/b.lua", "b")
	r.write("scripts/notes.txt", "no script")
	r.write("scripts/.hidden.star", "no script")
	r.write("scripts/.git/x.star", "no script")
	r.write("scripts/..v1/dialects/d.star", "d")
	r.write("outside/e.lua", "e")
	r.symlink("..v1/dialects", "scripts/dialects")
	r.symlink(r.path("outside"), "scripts/linked")
	r.symlink("a.star", "scripts/same.star")
	r.symlink("nowhere.star", "scripts/dangling.star")
	r.symlink("loop.star", "scripts/loop.star")
	r.symlink("..", "scripts/filters/up")
	r.symlink(".", "scripts/filters/deep/self")
	r.must(syscall.Mkfifo(r.path("scripts/pipe.star"), 0o600))
	s, err := reload.Scan(r.path("scripts"))
	r.must(err)
	want := []string{"a.star", "dialects/d.star", "filters/deep/b.lua", "linked/e.lua", "same.star"}
	if got := s.Paths(); !slices.Equal(got, want) {
		t.Errorf("paths %q, want %q", got, want)
	}
	f := func(path, want string, regular bool) {
		t.Helper()
		got, err := s.ReadFile(path)
		if err != nil || string(got) != want {
			t.Errorf("ReadFile(%q) = %q, %v, want %q", path, got, err, want)
		}
		file, err := s.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		opened, err := io.ReadAll(file)
		info, _ := file.Stat()
		if err != nil || string(opened) != want || info.Size() != int64(len(want)) || info.Name() != filepath.Base(path) {
			t.Errorf("Open(%q) reads %q, %v, want %q", path, opened, err, want)
		}
		if info.Mode().IsRegular() != regular {
			t.Errorf("Open(%q) is of mode %v, want a regular file: %v", path, info.Mode(), regular)
		}
	}
	f("a.star", "a", true)
	f("dialects/d.star", "d", true)
	f("filters/deep/b.lua", "b", true)
	f("linked/e.lua", "e", false)
	f("same.star", "a", true)
}

func TestASnapshotSaysWhyAFileCannotBeRead(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.write("scripts/most.star", strings.Repeat("x", reload.MaxScript))
	r.write("scripts/more.star", strings.Repeat("x", reload.MaxScript+1))
	s, err := reload.Scan(r.path("scripts"))
	r.must(err)
	f := func(path, want string) {
		t.Helper()
		_, err := s.ReadFile(path)
		if got := errorText(err); !strings.Contains(got, want) || want == "" && err != nil {
			t.Errorf("ReadFile(%q): %q, want %q", path, got, want)
		}
		_, err = s.Open(path)
		if got := errorText(err); !strings.Contains(got, want) || want == "" && err != nil {
			t.Errorf("Open(%q): %q, want %q", path, got, want)
		}
	}
	f("most.star", "")
	f("more.star", "more.star: the file is too large, want at most 262144 bytes (256 KiB)")
	f("none.star", "file does not exist")
	f("../scripts/most.star", "file does not exist")
	f("/most.star", "file does not exist")
	f(".", "file does not exist")
	f("", "file does not exist")
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func TestASnapshotDoesNotChange(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.write("scripts/a.star", "old")
	s, err := reload.Scan(r.path("scripts"))
	r.must(err)
	r.write("scripts/a.star", "new")
	first, err := s.ReadFile("a.star")
	r.must(err)
	first[0] = 'X'
	if again, _ := fs.ReadFile(s, "a.star"); !bytes.Equal(again, []byte("old")) {
		t.Errorf("ReadFile = %q, want what was scanned", again)
	}
}

func TestScanRefusesWhatIsNoScriptsRoot(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.write("file", "")
	r.mkdir("crowd")
	for i := range 101 {
		r.mkdir("crowd/" + strings.Repeat("d", i+1))
	}
	for i := range 100 { // every directory is in each of the links once more
		r.symlink("..", "crowd/d/"+strings.Repeat("l", i+1))
		r.symlink("../dd", "crowd/ddd/"+strings.Repeat("l", i+1))
		r.symlink("../ddd", "crowd/dddd/"+strings.Repeat("l", i+1))
		r.write("crowd/dd/"+strings.Repeat("f", i+1)+".star", "")
	}
	r.mkdir("heavy")
	r.write("heavy/a.lua", strings.Repeat("x", reload.MaxScript))
	for i := range 256 {
		r.symlink("a.lua", fmt.Sprintf("heavy/%d.lua", i))
	}
	f := func(root, want string) {
		t.Helper()
		if _, err := reload.Scan(root); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Scan(%q): %v, want %q", root, err, want)
		}
	}
	f(r.path("none"), "no such file")
	f(r.path("file"), "not a directory")
	f(r.path("heavy"), "more than 64 MiB of scripts")
	f(r.path("crowd"), "more than 10000 files, want a directory of scripts")
}

func TestAScanOfUnchangedFilesKeepsTheirBytes(t *testing.T) {
	r := newRig(t)
	r.write("scripts/a.star", strings.Repeat("x", 100_000))
	r.start(reload.Options{PollOnly: true}, "a.star")
	var seen []*reload.Version
	for range 2 {
		if _, err := r.loop.Reload(t.Context()); err != nil {
			t.Fatal(err)
		}
		seen = append(seen, r.loop.Status().Scripts[0].Version)
	}
	if seen[0] != seen[1] || r.count("a.star") != 1 {
		t.Errorf("versions %p and %p, admitted %d times, want the same one, admitted once", seen[0], seen[1], r.count("a.star"))
	}
}

// A path that is too long for the kernel stands for every reason why a directory cannot be read: it holds for root, too.
func TestADirectoryThatCannotBeReadHidesNoOther(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.write("scripts/a.star", "a")
	at, err := os.OpenRoot(r.path("scripts"))
	r.must(err)
	name := strings.Repeat("d", 250)
	for range 20 {
		r.must(at.Mkdir(name, 0o755))
		next, err := at.OpenRoot(name)
		r.must(err)
		r.must(at.Close())
		at = next
	}
	r.must(at.Close())
	s, err := reload.Scan(r.path("scripts"))
	r.must(err)
	if got := s.Paths(); !slices.Equal(got, []string{"a.star"}) {
		t.Errorf("paths %q, want a.star", got)
	}
	_, err = s.ReadFile(strings.Repeat(name+"/", 20) + "b.star")
	if got := errorText(err); !strings.HasSuffix(got, "file name too long") {
		t.Errorf("a file below: %q, want the error of the directory", got)
	}
}
