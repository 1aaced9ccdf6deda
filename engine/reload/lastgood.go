package reload

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"sluice/engine"
)

const lastGoodFile = "scripts.json"

// lastGood is what the file holds: of each script the files it consists of, each kept once, those that it found and could not read, and the
// bindings that it served with.
type lastGood struct {
	Scripts  map[string]map[string]string `json:"scripts"`            // script -> file -> hex SHA-256
	Files    map[string][]byte            `json:"files"`              // hex SHA-256 -> bytes
	Unread   map[string]map[string]string `json:"unread,omitempty"`   // script -> file -> why
	Bindings map[string]string            `json:"bindings,omitempty"` // script -> as Tx.Resolve was given them
}

// LoadScripts returns the last good copy of each script, by path. The error says which are not to be trusted.
func (d *Data) LoadScripts() (map[string]*Snapshot, error) {
	name := filepath.Join(d.dir, lastGoodFile)
	text, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var saved lastGood
	if err := json.Unmarshal(text, &saved); err != nil {
		return nil, fmt.Errorf("read the last good scripts in %q: %w", name, err)
	}
	d.saved = sha256.Sum256(text)
	copies := map[string]*Snapshot{}
	var errs []error
	for _, script := range slices.Sorted(maps.Keys(saved.Scripts)) {
		if copies[script], err = saved.snapshot(script); err != nil {
			delete(copies, script)
			errs = append(errs, fmt.Errorf("read the last good copy of %s in %q: %w", script, name, err))
		}
	}
	return copies, errors.Join(errs...)
}

// snapshot has what a script consists of.
func (saved *lastGood) snapshot(script string) (*Snapshot, error) {
	s := &Snapshot{files: map[string]*file{}, bindings: saved.Bindings[script]}
	for name, want := range saved.Scripts[script] {
		f := &file{data: saved.Files[want], sum: sha256.Sum256(saved.Files[want])}
		if hex.EncodeToString(f.sum[:]) != want {
			return nil, fmt.Errorf("%q does not have the sum %s", name, want)
		}
		s.files[name] = f
	}
	for name, why := range saved.Unread[script] {
		s.files[name] = failed("", unread(name, why))
	}
	return s.seal(), nil
}

// unread is why a file could not be read, as it was.
func unread(name, why string) error {
	if message, own := strings.CutPrefix(why, name+": "); own {
		return &engine.ScriptError{File: name, Message: message}
	}
	return errors.New(why)
}

// SaveScripts writes the live version of each script, if they are not what was written before. A crash leaves the old file or the new.
func (d *Data) SaveScripts(s *Scripts) error {
	saved := lastGood{map[string]map[string]string{}, map[string][]byte{}, map[string]map[string]string{}, map[string]string{}}
	for script, e := range s.all() {
		saved.Bindings[script] = e.live.bindings
		read, unread := map[string]string{}, map[string]string{}
		for name, f := range e.live.closure.files() {
			sum := hex.EncodeToString(f.sum[:])
			if f.err != nil {
				unread[name] = f.err.Error()
			} else {
				read[name], saved.Files[sum] = sum, f.data
			}
		}
		saved.Scripts[script] = read
		if len(unread) > 0 {
			saved.Unread[script] = unread
		}
	}
	text, err := json.Marshal(saved)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(text)
	if sum == d.saved {
		return nil
	}
	if err := replace(filepath.Join(d.dir, lastGoodFile), text); err != nil {
		return fmt.Errorf("save the last good scripts: %w", err)
	}
	d.saved = sum
	return nil
}

// replace writes a file beside the old one, makes it durable, and puts it in the old one's place.
func replace(name string, text []byte) error {
	next, err := os.OpenFile(name+".new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = next.Write(text)
	if err = errors.Join(err, next.Sync(), next.Close()); err == nil {
		err = os.Rename(next.Name(), name)
	}
	if err != nil {
		os.Remove(next.Name())
		return err
	}
	dir, err := os.Open(filepath.Dir(name))
	if err != nil {
		return err
	}
	defer dir.Close()
	return dir.Sync()
}
