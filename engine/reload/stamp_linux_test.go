package reload

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// A file that nobody touched is not read again, for a while. One that was written is, also where it is as long as before and its time was
// set back.
func TestAFileIsReadAgainOnceItWasTouched(t *testing.T) {
	t.Parallel()
	name := filepath.Join(t.TempDir(), "a.star")
	if err := os.WriteFile(name, []byte("old"), 0o644); err != nil {
		t.Fatal(err)
	}
	read := func(old *file) *file { return slurp(name, MaxScript, new(bytes.Buffer), old) }
	young := read(nil)
	if young.stamp != (stamp{}) {
		t.Error("a file that was written just now counts as unchanged")
	}
	info, err := os.Stat(name)
	if err != nil {
		t.Fatal(err)
	}
	old := *young
	old.stamp = settledStamp(info, time.Now().Add(2*coarsest))
	if old.stamp == (stamp{}) {
		t.Fatal("a file that was written long ago does not count as unchanged")
	}
	if read(&old) != &old {
		t.Error("a file that nobody touched was read again")
	}
	stale := old
	stale.read = stale.read.Add(-trusted)
	if read(&stale) == &stale {
		t.Error("a file that was read long ago was not read again")
	}
	// Until the file system's clock has ticked nothing tells of what is written.
	got := &old
	for late := time.Now().Add(10 * time.Second); got == &old && time.Now().Before(late); got = read(&old) {
		if err := os.WriteFile(name, []byte("new"), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(name, info.ModTime(), info.ModTime()); err != nil {
			t.Fatal(err)
		}
	}
	if string(got.data) != "new" {
		t.Errorf("read %q, want what was written: %q", got.data, "new")
	}
}
