// Package bindings remembers in which account the things live that clients made: files, batches and their kin.
//
//	log, err := bindings.Open("data/bindings.jsonl")
//	err = log.Bind("file_011CNha8iCJcU1wXNR6q4V8w", engine.Binding{Principal: "alice", Upstream: u.ID})
//	b, known := log.Lookup("file_011CNha8iCJcU1wXNR6q4V8w")
//
// The file is a list of lines of JSON, each a thing that was made or that is gone. It is written anew, without what is gone, when it is
// opened and there is room.
package bindings

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"sluice/engine"
)

// maxBindings bounds what is remembered; the oldest tenth goes where it is too much. A thousand take about 150 KiB.
const maxBindings = 500_000

// maxUnsaved bounds what waits for room, in bytes.
const maxUnsaved = 16 << 20

// line is one line of the file.
type line struct {
	ID        string     `json:"id"`
	Principal string     `json:"principal,omitempty"`
	Upstream  *uuid.UUID `json:"upstream,omitempty"` // nil: it is gone
	Made      int64      `json:"made,omitempty"`     // Unix seconds
}

type binding struct {
	engine.Binding
	made int64
}

// Log is the bindings and their file. Its methods may be called from any goroutine.
type Log struct {
	any   atomic.Bool // something is known
	mu    sync.RWMutex
	known map[string]binding // guarded by mu
	names map[string]string  // guarded by mu; each principal's id once

	disk    sync.Mutex // held over what changes both: a lookup never waits for the file
	file    *os.File   // guarded by disk
	size    int64      // guarded by disk; of the whole lines
	unsaved []byte     // guarded by disk; lines for which there was no room
}

var _ engine.Bindings = (*Log)(nil)

// Open reads the file, which need not be there, and rewrites it if it can. Nobody else may write to it.
func Open(name string) (*Log, error) {
	l := &Log{known: map[string]binding{}, names: map[string]string{}}
	text, err := os.ReadFile(name)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read the bindings: %w", err)
	}
	for one := range bytes.Lines(text) {
		var b line
		if json.Unmarshal(one, &b) == nil && b.ID != "" { // else a crash cut it off
			l.apply(b)
		}
	}
	if err := l.rewrite(name); err != nil && l.resume(name) != nil {
		return nil, fmt.Errorf("write the bindings: %w", err)
	}
	return l, nil
}

// resume goes on with the file that there is, where there is no room for another.
func (l *Log) resume(name string) error {
	text, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	l.size = int64(bytes.LastIndexByte(text, '\n') + 1)
	l.file, err = os.OpenFile(name, os.O_RDWR, 0)
	return err
}

// apply does what a line says. It is called with disk held, or before anybody else knows l.
func (l *Log) apply(b line) {
	if l.change(b) > maxBindings {
		l.evict()
	}
}

// change binds or forgets what a line names, and returns how many things are known then.
func (l *Log) change(b line) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	if b.Upstream == nil {
		delete(l.known, b.ID)
	} else {
		if _, ok := l.names[b.Principal]; !ok {
			l.names[b.Principal] = b.Principal
		}
		l.known[b.ID] = binding{engine.Binding{Principal: l.names[b.Principal], Upstream: *b.Upstream}, b.Made}
	}
	l.any.Store(len(l.known) > 0)
	return len(l.known)
}

// evict drops the oldest tenth, of which containers go first: code makes one for nearly each message that runs some, and they do not live long.
// Lookups go on while it finds them.
func (l *Log) evict() {
	all := l.lines()
	slices.SortStableFunc(all, func(a, b line) int { return cmp.Compare(stays(a.ID), stays(b.ID)) })
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, b := range all[:maxBindings/10] {
		delete(l.known, b.ID)
	}
}

func stays(id string) int {
	if strings.HasPrefix(id, "container_") {
		return 0
	}
	return 1
}

// lines are all bindings, the oldest first.
func (l *Log) lines() []line {
	l.mu.RLock()
	all := make([]line, 0, len(l.known))
	for id, b := range l.known {
		all = append(all, line{id, b.Principal, &b.Upstream, b.made})
	}
	l.mu.RUnlock()
	slices.SortFunc(all, func(a, b line) int { return cmp.Or(cmp.Compare(a.Made, b.Made), cmp.Compare(a.ID, b.ID)) })
	return all
}

// rewrite puts a file with what is known in the place of the old one. A crash leaves the one or the other.
func (l *Log) rewrite(name string) error {
	var text []byte
	for _, b := range l.lines() {
		text = b.append(text)
	}
	next, err := os.OpenFile(name+".new", os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = next.Write(text)
	if err = errors.Join(err, next.Sync()); err == nil {
		err = os.Rename(next.Name(), name)
	}
	if err != nil {
		os.Remove(next.Name())
	} else {
		err = syncDir(filepath.Dir(name))
	}
	if err != nil {
		next.Close()
		return err
	}
	l.file, l.size = next, int64(len(text))
	return nil
}

func syncDir(name string) error {
	dir, err := os.Open(name)
	if err != nil {
		return err
	}
	defer dir.Close()
	return dir.Sync()
}

func (b line) append(to []byte) []byte {
	text, _ := json.Marshal(b) // it cannot fail for this type
	return append(append(to, text...), '\n')
}

// Lookup returns who made the thing with an id, and where.
func (l *Log) Lookup(id string) (engine.Binding, bool) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	b, known := l.known[id]
	return b.Binding, known
}

// Any reports whether anything is known.
func (l *Log) Any() bool { return l.any.Load() }

// Bind remembers a new thing.
func (l *Log) Bind(id string, b engine.Binding) error {
	return l.note(line{id, b.Principal, &b.Upstream, time.Now().Unix()})
}

// Forget takes note that a thing is gone.
func (l *Log) Forget(id string) error {
	if _, known := l.Lookup(id); !known {
		return nil
	}
	return l.note(line{ID: id})
}

// note does what b says and makes it durable.
func (l *Log) note(b line) error {
	l.disk.Lock()
	defer l.disk.Unlock()
	l.apply(b)
	return l.write(b.append(l.unsaved))
}

// write writes lines, and what of them finds no room with the next ones. It is called with disk held.
func (l *Log) write(text []byte) error {
	_, err := l.file.WriteAt(text, l.size)
	if err == nil {
		err = l.file.Sync()
	}
	if err != nil {
		_ = l.file.Truncate(l.size) // else the next line covers it
		if len(text) <= maxUnsaved {
			l.unsaved = text
		}
		return fmt.Errorf("write the bindings: %w", err)
	}
	l.size += int64(len(text))
	l.unsaved = nil
	return nil
}

// Close writes what was not written yet, and closes the file.
func (l *Log) Close() error {
	l.disk.Lock()
	defer l.disk.Unlock()
	return errors.Join(l.write(l.unsaved), l.file.Close())
}
