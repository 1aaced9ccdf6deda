package reload

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/fsnotify/fsnotify"
)

// watcher asks the kernel for events of directories, by their real paths: a directory outlives the files that editors replace in it.
// Without fsnotify it asks for nothing and its channels never deliver. It belongs to one goroutine.
type watcher struct {
	notify  *fsnotify.Watcher
	events  <-chan fsnotify.Event
	errors  <-chan error
	watched map[string]fs.FileInfo // by path, as it was: a directory that was replaced is another one
	wanted  map[string]*interest   // by directory
	before  map[string]*interest   // until end, what was wanted before begin
	trouble error                  // why a directory cannot be watched, nil = all are
}

// interest is what matters in one directory: everything that may be a script or lead to one, or single names.
type interest struct {
	all   bool
	names map[string]bool
}

// newWatcher watches nothing yet. With an error it is still good for polling.
func newWatcher(pollOnly bool) (*watcher, error) {
	w := &watcher{watched: map[string]fs.FileInfo{}, wanted: map[string]*interest{}}
	if pollOnly {
		return w, nil
	}
	n, err := fsnotify.NewWatcher()
	if err != nil {
		return w, err
	}
	w.notify, w.events, w.errors = n, n.Events, n.Errors
	return w, nil
}

func (w *watcher) close() {
	if w.notify != nil {
		w.notify.Close()
	}
}

// begin is called before everything is read again, end after it: what nobody entered between is not watched any more.
func (w *watcher) begin() {
	w.before, w.wanted, w.trouble = w.wanted, map[string]*interest{}, nil
}

func (w *watcher) end() {
	w.before = nil
	for dir := range w.watched {
		if w.wanted[dir] == nil {
			w.forget(dir)
		}
	}
}

// enter watches a directory from now on for one name, or for all that concern scripts if name is "".
func (w *watcher) enter(dir, name string) {
	in := w.wanted[dir]
	if in == nil {
		in = &interest{names: map[string]bool{}}
		w.wanted[dir] = in
		w.add(dir)
	}
	in.all = in.all || name == ""
	in.names[name] = true
}

func (w *watcher) add(dir string) {
	info, err := os.Stat(dir)
	if w.notify == nil || err != nil { // gone again: the event of that is on its way
		return
	}
	if old := w.watched[dir]; old != nil {
		if os.SameFile(old, info) {
			return
		}
		w.forget(dir)
	}
	if err := w.notify.Add(dir); err != nil {
		w.trouble = &fs.PathError{Op: "watch", Path: dir, Err: err}
		return
	}
	w.watched[dir] = info
}

// forget ends the watch of a directory, which the kernel may have ended before.
func (w *watcher) forget(dir string) {
	w.notify.Remove(dir)
	delete(w.watched, dir)
}

// concerns reports whether an event may change what is read.
func (w *watcher) concerns(ev fsnotify.Event) bool {
	if w.watched[ev.Name] != nil {
		if ev.Has(fsnotify.Remove) || ev.Has(fsnotify.Rename) {
			w.forget(ev.Name)
		}
		return true
	}
	dir, name := filepath.Dir(ev.Name), filepath.Base(ev.Name)
	for _, wanted := range []map[string]*interest{w.wanted, w.before} {
		if in := wanted[dir]; in != nil && (in.names[name] || in.all && mayMatter(ev.Name, name)) {
			return true
		}
	}
	return false
}

// mayMatter reports whether a path is a script's, or may be a directory or a link.
func mayMatter(path, name string) bool {
	if strings.HasPrefix(name, ".") {
		return false
	}
	if isScript(name) {
		return true
	}
	info, err := os.Lstat(path)
	return err != nil || !info.Mode().IsRegular() // what is gone may have been a directory
}
