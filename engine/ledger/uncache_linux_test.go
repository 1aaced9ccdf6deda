package ledger_test

import (
	"os"
	"path/filepath"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// resident is how many bytes of the files the system keeps in memory, and how many they have.
func resident(t *testing.T, dir string) (kept, size int64) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		k, n := residentOf(t, name)
		kept, size = kept+k, size+n
	}
	return kept, size
}

func residentOf(t *testing.T, name string) (kept, size int64) {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil || info.Size() == 0 {
		return 0, 0
	}
	pages, err := unix.Mmap(int(f.Fd()), 0, int(info.Size()), unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Munmap(pages) }()
	in := make([]byte, (len(pages)+os.Getpagesize()-1)/os.Getpagesize())
	if _, _, errno := unix.Syscall(unix.SYS_MINCORE, uintptr(unsafe.Pointer(&pages[0])), uintptr(len(pages)), uintptr(unsafe.Pointer(&in[0]))); errno != 0 {
		t.Fatal(errno)
	}
	for _, page := range in {
		kept += int64(page&1) * int64(os.Getpagesize())
	}
	return kept, info.Size()
}

// onDisk is a folder of a file system that has its files elsewhere than in memory.
func onDisk(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	var fs unix.Statfs_t
	if err := unix.Statfs(dir, &fs); err != nil {
		t.Fatal(err)
	}
	if fs.Type != unix.TMPFS_MAGIC && fs.Type != unix.RAMFS_MAGIC {
		return dir
	}
	dir, err := os.MkdirTemp(".", "rows") // beside the source
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

func TestRowsThatComeFastDoNotFillTheMemory(t *testing.T) {
	const rows = 10000
	for name, is := range map[string]struct {
		rows int
		kept bool
	}{"fast": {rows, false}, "slow": {rows / 100, true}} {
		t.Run(name, func(t *testing.T) {
			dir := onDisk(t)
			b := open(t, dir, generous, &told{})
			fill(b, is.rows)
			eventually(t, "all rows written", func() bool { return b.Stats().Rows == int64(is.rows) })
			closed(t, b)
			kept, size := resident(t, dir)
			if is.kept && kept < size/2 || !is.kept && kept > size/10 {
				t.Errorf("the system keeps %d of %d bytes in memory", kept, size)
			}
		})
	}
}
