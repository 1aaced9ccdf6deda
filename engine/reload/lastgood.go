package reload

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

const lastGoodFile = "scripts.json"

// lastGood is what the file holds: of each script the files it consists of, each kept once.
type lastGood struct {
	Scripts map[string]map[string]string `json:"scripts"` // script -> file -> hex SHA-256
	Files   map[string][]byte            `json:"files"`   // hex SHA-256 -> bytes
}

// LoadScripts returns the last good copy of each script, by path. With an error there is none to trust.
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
	copies := map[string]*Snapshot{}
	for script, list := range saved.Scripts {
		files := map[string][]byte{}
		for file, want := range list {
			got := sha256.Sum256(saved.Files[want])
			if hex.EncodeToString(got[:]) != want {
				return nil, fmt.Errorf("read the last good scripts in %q: %q does not have the sum %s", name, file, want)
			}
			files[file] = saved.Files[want]
		}
		copies[script] = NewSnapshot(files)
	}
	d.saved = sha256.Sum256(text)
	return copies, nil
}

// SaveScripts writes the live version of each script, if they are not what was written before. A crash leaves the old file or the new.
func (d *Data) SaveScripts(s *Scripts) error {
	saved := lastGood{map[string]map[string]string{}, map[string][]byte{}}
	for script, e := range s.all() {
		saved.Scripts[script] = map[string]string{}
		for name, f := range e.live.closure.files() {
			sum := hex.EncodeToString(f.sum[:])
			saved.Scripts[script][name], saved.Files[sum] = sum, f.data
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
