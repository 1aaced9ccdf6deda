package reload

import (
	"crypto/sha256"
	"maps"
	"os"
	"slices"
	"time"

	"github.com/fsnotify/fsnotify"
)

// disk is what was last read of everything that builds read, as far as it stood still. It belongs to one goroutine.
type disk struct {
	watch *watcher
	marks marks
	files map[string]*file     // by the path asked for, made absolute
	trees map[string]*Snapshot // by root, made absolute
	// trouble is why a root cannot be read any more, nil = all can. What was read before stays.
	trouble error
	root    string // which one that is or was
}

func newDisk(w *watcher) *disk {
	return &disk{watch: w, marks: marks{}, files: map[string]*file{}, trees: map[string]*Snapshot{}}
}

// file returns what is known of a file. What nobody asked for yet is read now.
func (d *disk) file(name string) *file {
	if d.files[name] == nil {
		d.files[name] = readFile(name, nil, d.watch.enter)
	}
	return d.files[name]
}

// tree returns what is known of a scripts root, likewise. An error is that of a root that could never be read.
func (d *disk) tree(root string) (*Snapshot, error) {
	if d.trees[root] == nil {
		d.trees[root] = scan(root, &Snapshot{}, d.watch.enter)
	}
	return d.trees[root], d.trees[root].err
}

// sum is zero for what is not there.
func (d *disk) sum(k source) [sha256.Size]byte {
	if k.tree {
		if s := d.trees[k.path]; s != nil {
			return s.sum
		}
	} else if f := d.files[k.path]; f != nil {
		return f.sum
	}
	return [sha256.Size]byte{}
}

// keep forgets all but what is in one of the lists.
func (d *disk) keep(lists ...basis) {
	used := func(k source) bool {
		return slices.ContainsFunc(lists, func(b basis) bool { _, ok := b[k]; return ok })
	}
	maps.DeleteFunc(d.files, func(name string, _ *file) bool { return !used(source{path: name}) })
	maps.DeleteFunc(d.trees, func(root string, _ *Snapshot) bool { return !used(source{path: root, tree: true}) })
}

// note takes an event into account.
func (d *disk) note(ev fsnotify.Event) {
	if !d.watch.concerns(ev) {
		return
	}
	now := time.Now()
	_, marked := d.marks[ev.Name]
	switch {
	case ev.Has(fsnotify.Create) && !isEmpty(ev.Name):
		d.marks[ev.Name] = mark{due: now.Add(grace), appeared: now}
	case ev.Has(fsnotify.Remove), ev.Has(fsnotify.Rename):
		d.marks[ev.Name] = mark{due: now.Add(absent)}
	case ev.Op != fsnotify.Chmod:
		d.marks[ev.Name] = mark{due: now.Add(still)}
	case !marked:
		d.marks[ev.Name] = mark{due: now.Add(grace)}
	}
}

// isEmpty reports a file that somebody has created and is about to write.
func isEmpty(name string) bool {
	info, err := os.Lstat(name)
	return err == nil && info.Mode().IsRegular() && info.Size() == 0
}

// lost is called when events were dropped. What was being written may still be; what else has changed is found by reading.
func (d *disk) lost() {
	now := time.Now()
	for name, k := range d.marks {
		if !k.sighted {
			d.marks[name] = mark{due: now.Add(still)}
		}
	}
	d.marks[""] = mark{due: now.Add(still)}
}

// listen takes events into account for a while.
func (d *disk) listen(wait time.Duration) {
	end := time.NewTimer(wait)
	defer end.Stop()
	for {
		select {
		case <-end.C:
			return
		case ev := <-d.watch.events:
			d.note(ev)
		case <-d.watch.errors:
			d.lost()
		}
	}
}

// look reads everything again and takes over what has settled. It returns how many files differ and have not.
func (d *disk) look() (unsettled int) {
	read := time.Now()
	d.trouble = nil
	d.watch.begin()
	files, trees := d.readAll()
	if d.differs(files, trees) {
		d.listen(hold)
	}
	for name, f := range files {
		d.files[name] = d.settle(d.files[name], f, read, &unsettled)
	}
	for root, s := range trees {
		d.trees[root] = d.merge(d.trees[root], s, read, &unsettled)
	}
	d.marks.taken(read)
	d.watch.end()
	return unsettled
}

func (d *disk) readAll() (map[string]*file, map[string]*Snapshot) {
	files, trees := map[string]*file{}, map[string]*Snapshot{}
	for name, old := range d.files {
		files[name] = readFile(name, old, d.watch.enter)
	}
	for root, old := range d.trees {
		s := scan(root, old, d.watch.enter)
		if s.err != nil && old.err == nil { // what was there serves on
			d.trouble, d.root = s.err, root
			s = &Snapshot{files: old.files, sum: old.sum}
		}
		trees[root] = s
	}
	return files, trees
}

func (d *disk) differs(files map[string]*file, trees map[string]*Snapshot) bool {
	for name, f := range files {
		if f.sum != d.files[name].sum {
			return true
		}
	}
	for root, s := range trees {
		if s.sum != d.trees[root].sum {
			return true
		}
	}
	return false
}

// settle returns which of two readings of one path is in force.
func (d *disk) settle(old, now *file, read time.Time, unsettled *int) *file {
	if old == nil {
		old = missing
	}
	if now == nil || now.missing() {
		now = &file{err: missing.err, real: old.real}
	}
	if old.sum == now.sum || d.marks.settled(old, now, read) {
		return now
	}
	*unsettled++
	return old
}

// merge returns the snapshot that has of each file the reading in force.
func (d *disk) merge(old, now *Snapshot, read time.Time, unsettled *int) *Snapshot {
	if old.sum == now.sum || now.err != nil {
		return now
	}
	merged := &Snapshot{files: map[string]*file{}}
	take := func(name string) {
		if f := d.settle(old.files[name], now.files[name], read, unsettled); !f.missing() {
			merged.files[name] = f
		}
	}
	for name := range now.files {
		take(name)
	}
	for name := range old.files {
		if now.files[name] == nil {
			take(name)
		}
	}
	return merged.seal()
}
