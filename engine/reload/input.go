package reload

import (
	"bytes"
	"crypto/sha256"
	"io/fs"
	"path/filepath"

	"sluice/engine"
	"sluice/engine/turn"
)

// Build makes a generation with in.Number from what in gives, and from nothing else that may change. It runs on the loop's goroutine,
// so it must end by itself. An error means that the config, or something it names, cannot be used; where scripts are at fault it
// holds their *engine.ScriptError.
type Build func(in *Input) (*engine.Generation, error)

// Input is what one build reads. What it has read is watched, also what was not there. It is used by one goroutine, during the build.
type Input struct {
	Number  uint64 // for the new generation
	Config  []byte // the bytes of the config file, nil without one
	Scripts *Tx    // committed by the loop once the generation is published

	disk *disk
	pins map[string]*file // what reads as it did before, by absolute path
	read basis
	kept map[string]*file // the files as they were given, for later pins
}

// source is a file or a scripts root, by absolute path.
type source struct {
	path string
	tree bool
}

// basis says what a build was made from: the sum of everything it read.
type basis map[source][sha256.Size]byte

// ReadFile returns the bytes of a file that the config names: a secret, a certificate, a price list. A relative path is taken from the
// working directory. Requests go first.
func (in *Input) ReadFile(name string) ([]byte, error) {
	turn.Yield()
	abs, err := filepath.Abs(name)
	if err != nil {
		return nil, err
	}
	f := in.pins[abs]
	if f == nil {
		f = in.disk.file(abs)
	}
	in.read[source{path: abs}] = f.sum
	in.kept[abs] = f
	if f.missing() {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return bytes.Clone(f.data), f.err
}

// Snapshot returns the scripts below root. A relative path is taken from the working directory.
func (in *Input) Snapshot(root string) (*Snapshot, error) {
	abs, err := filepath.Abs(root)
	if err != nil {
		return nil, err
	}
	s, err := in.disk.tree(abs)
	in.read[source{abs, true}] = s.sum
	return s, err
}
