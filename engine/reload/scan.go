package reload

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"slices"
	"strings"
	"syscall"
	"time"

	"sluice/engine"
	"sluice/engine/turn"
)

// maxEntries bounds a walk, in directory entries: a root that holds more is not a scripts root.
const maxEntries = 10000

// maxBytes bounds what a walk reads: all of it is held in memory.
const maxBytes = 64 << 20

// entriesATurn is how many entries a walk looks at until requests go first: it takes some 100 us, or as many milliseconds where all are read.
const entriesATurn = 32

// maxFile bounds a config, secret or certificate file, in bytes.
const maxFile = 16 << 20

// Scan copies every .star and .lua file below root. It follows links to files and to directories; names that begin with a dot are not
// scripts, but links may lead through them.
func Scan(root string) (*Snapshot, error) {
	s := scan(root, &Snapshot{}, func(string, string) {})
	if s.err != nil {
		return nil, s.err
	}
	return s, nil
}

// scan shares the bytes that are the same as in old, and is old where nobody has touched anything. A root that cannot be read gives err.
func scan(root string, old *Snapshot, enter enter) *Snapshot {
	w := &walk{old: old, snap: &Snapshot{files: map[string]*file{}}, enter: enter}
	real, err := trace(root, enter)
	if err == nil {
		w.root = below(real, "")
		err = w.dir(real, ".", nil)
	}
	if err != nil {
		return &Snapshot{err: fmt.Errorf("read the scripts in %q: %w", root, err)}
	}
	if old.files != nil && maps.Equal(w.snap.files, old.files) { // the very same readings
		return old
	}
	return w.snap.seal()
}

type walk struct {
	old, snap *Snapshot
	root      string // what the real paths of all files in it begin with
	enter     enter
	buf       bytes.Buffer
	entries   int
	seen      int // of those, so far
	bytes     int // of the files, so far
}

// dir walks one directory. above are the real paths of those it was reached through: a link to one of them leads in a circle.
func (w *walk) dir(real, name string, above []string) error {
	if slices.Contains(above, real) {
		return nil
	}
	w.enter(real, "")
	list, err := os.ReadDir(real)
	if err != nil {
		if name == "." {
			return err
		}
		w.snap.files[name] = failed(real, err)
		return nil
	}
	if w.entries += len(list); w.entries > maxEntries {
		return fmt.Errorf("more than %d files, want a directory of scripts", maxEntries)
	}
	for _, e := range list {
		if strings.HasPrefix(e.Name(), ".") {
			continue
		}
		if err := w.entry(below(real, e.Name()), below(name, e.Name()), e.Type(), append(above, real)); err != nil {
			return err
		}
	}
	return nil
}

// below is a path in a directory, both clean. A walk makes two for each entry, each time: path.Join would clean them anew.
func below(dir, name string) string {
	switch dir {
	case ".":
		return name
	case "/":
		return "/" + name
	}
	return dir + "/" + name
}

func (w *walk) entry(real, name string, mode fs.FileMode, above []string) error {
	if w.seen++; w.seen%entriesATurn == 0 {
		turn.Yield()
	}
	if mode&fs.ModeSymlink != 0 {
		to, err := trace(real, w.enter)
		if err != nil {
			return nil // it leads nowhere yet; where it should lead is watched
		}
		info, err := os.Lstat(to)
		if err != nil {
			return nil
		}
		real, mode = to, info.Mode().Type()
	}
	switch {
	case mode.IsDir():
		return w.dir(real, name, above)
	case mode.IsRegular() && isScript(name):
		w.file(real, name)
	}
	if w.bytes > maxBytes {
		return fmt.Errorf("more than %d MiB of scripts", maxBytes>>20)
	}
	return nil
}

func (w *walk) file(real, name string) {
	old := w.old.files[name]
	f := slurp(real, MaxScript, &w.buf, old)
	if errors.Is(f.err, errTooLarge) {
		f = failed(real, &engine.ScriptError{
			File: name, Message: fmt.Sprintf("the file is too large, want at most %d bytes (256 KiB)", MaxScript)})
	}
	if f.missing() {
		return
	}
	if f != old {
		f.outside = !strings.HasPrefix(real, w.root)
	}
	w.snap.files[name] = f
	w.bytes += len(f.data)
}

func isScript(name string) bool {
	ext := path.Ext(name)
	return ext == ".star" || ext == ".lua"
}

// No other file is looked at while the bytes of one are waited for.
const (
	// pipeWait is how long a pipe may take that somebody writes to.
	pipeWait = 10 * time.Second
	// fileWait is how long any other file may take. The bytes of most are there; those of the kernel's log, for example, come as they arise.
	fileWait = 2 * time.Second
)

var (
	errTooLarge  = errors.New("the file is too large")
	errUnwritten = errors.New("nobody writes to this pipe")
	errEndless   = errors.New("the file was not read to its end in time, want one that ends")
)

// slurp reads one file. Where the bytes are those of old it keeps old's. What nobody has touched since old was read is not read.
func slurp(real string, limit int64, buf *bytes.Buffer, old *file) *file {
	if untouched(real, old) {
		return old
	}
	looked := time.Now()
	in, err := os.OpenFile(real, os.O_RDONLY|syscall.O_NONBLOCK, 0) // to open a pipe would else wait for who writes to it
	if errors.Is(err, fs.ErrNotExist) {
		return missing
	}
	if err != nil {
		return failed(real, err)
	}
	defer in.Close()
	before, err := in.Stat()
	if err != nil {
		return failed(real, err)
	}
	pipe, wait := before.Mode()&fs.ModeNamedPipe != 0, fileWait
	if pipe {
		wait = pipeWait
	}
	_ = in.SetReadDeadline(time.Now().Add(wait)) // most files have none, and need none
	buf.Reset()
	_, err = buf.ReadFrom(io.LimitReader(in, limit+1))
	info, statErr := in.Stat()
	f := &file{real: real, stamp: settledStamp(before, looked), read: looked}
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		late := failed(real, errEndless)
		late.stamp, late.read = f.stamp, f.read // it is not waited for at each look
		return late
	case pipe && err == nil && buf.Len() == 0:
		return failed(real, errUnwritten)
	case errors.Join(err, statErr) != nil:
		return failed(real, errors.Join(err, statErr))
	case int64(buf.Len()) > limit:
		return failed(real, errTooLarge)
	case old != nil && old.err == nil && bytes.Equal(old.data, buf.Bytes()):
		f.data, f.sum = old.data, old.sum
	default:
		f.data, f.sum = bytes.Clone(buf.Bytes()), sha256.Sum256(buf.Bytes())
	}
	f.written = info.ModTime()
	return f
}

// untouched reports whether a file is at the same place and as it was when old was read, which was not long ago.
func untouched(real string, old *file) bool {
	if old == nil || old.stamp == (stamp{}) || old.real != real || time.Since(old.read) > trusted {
		return false
	}
	info, err := os.Lstat(real)
	return err == nil && stampOf(info) == old.stamp
}

func failed(real string, err error) *file {
	return &file{err: err, sum: sha256.Sum256([]byte(err.Error())), real: real}
}

// readFile reads a file that the config names, an absolute path. What is no regular file, a pipe for example, is read once while
// anything names it.
func readFile(name string, old *file, enter enter) *file {
	real, err := trace(name, enter)
	if err != nil {
		real = name
	}
	info, err := os.Stat(name)
	if err == nil && old != nil && !info.Mode().IsRegular() {
		return old
	}
	f := slurp(name, maxFile, new(bytes.Buffer), old)
	if !f.missing() {
		f.real = real
	}
	return f
}
