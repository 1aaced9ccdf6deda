package reload

import (
	"bytes"
	"crypto/sha256"
	"io/fs"
	"maps"
	"path"
	"slices"
	"time"
)

// MaxScript is the most that a script or library file may have, in bytes.
const MaxScript = 256 << 10

// Snapshot is an immutable copy of the script files below a root: what one moment's files held, in memory. Paths are below the root,
// with slashes. It opens files only, no directories; Paths lists them. A file that is too large or cannot be read is there, and reading
// it gives the error that says so. What a link brings from outside of the root is no regular file.
type Snapshot struct {
	files    map[string]*file
	sum      [sha256.Size]byte // over all paths and sums
	err      error             // why the root could not be read; sum is zero then
	bindings string            // of a last good copy: those that it served with
}

// file is what one path held when it was read.
type file struct {
	data    []byte
	sum     [sha256.Size]byte // of data, or of the text of err; zero: there is no such file
	err     error             // why there is no data
	real    string            // the path behind all links
	outside bool              // that is not below the scripts root
	written time.Time         // by its own account, when it had been read
	read    time.Time         // when that began
	stamp   stamp             // from then
}

var missing = &file{err: fs.ErrNotExist}

func (f *file) missing() bool { return f.sum == missing.sum }

// NewSnapshot makes a snapshot of files that are in memory already. It keeps the slices, which must not be written any more.
func NewSnapshot(files map[string][]byte) *Snapshot {
	s := &Snapshot{files: map[string]*file{}}
	for name, data := range files {
		s.files[name] = &file{data: data, sum: sha256.Sum256(data)}
	}
	return s.seal()
}

func (s *Snapshot) seal() *Snapshot {
	h, line := sha256.New(), make([]byte, 0, 128)
	for _, name := range slices.Sorted(maps.Keys(s.files)) {
		f := s.files[name]
		line = append(append(append(line[:0], name...), 0), f.sum[:]...)
		h.Write(line)
	}
	h.Sum(s.sum[:0])
	return s
}

// Paths returns the paths of all files, sorted.
func (s *Snapshot) Paths() []string {
	return slices.DeleteFunc(slices.Sorted(maps.Keys(s.files)), func(name string) bool { return !isScript(name) })
}

// ReadFile returns a copy of the bytes of one file.
func (s *Snapshot) ReadFile(name string) ([]byte, error) {
	f := s.find(name)
	if f.err != nil {
		return nil, &fs.PathError{Op: "read", Path: name, Err: f.err}
	}
	return bytes.Clone(f.data), nil
}

// Open opens one file for reading.
func (s *Snapshot) Open(name string) (fs.File, error) {
	f := s.find(name)
	if f.err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: f.err}
	}
	mode := fs.FileMode(0o444)
	if f.outside {
		mode |= fs.ModeIrregular
	}
	return &openFile{bytes.NewReader(f.data), path.Base(name), mode}, nil
}

// find is never nil. What is below a directory that cannot be read has that directory's error.
func (s *Snapshot) find(name string) *file {
	for at := name; at != "." && at != "/"; at = path.Dir(at) {
		if f := s.files[at]; f != nil && (at == name || f.err != nil) {
			return f
		}
	}
	return missing
}

// openFile is a file of a snapshot that is being read, and its own description.
type openFile struct {
	*bytes.Reader
	name string
	mode fs.FileMode
}

func (f *openFile) Stat() (fs.FileInfo, error) { return f, nil }
func (f *openFile) Close() error               { return nil }
func (f *openFile) Name() string               { return f.name }
func (f *openFile) Mode() fs.FileMode          { return f.mode }
func (f *openFile) ModTime() time.Time         { return time.Time{} }
func (f *openFile) IsDir() bool                { return false }
func (f *openFile) Sys() any                   { return nil }
