package ledger

import (
	"errors"
	"os"
	"slices"
	"time"
)

// caretaker is the state of the keeper's goroutine, which makes durable what was written, seals what is full and removes what is old.
// None of it holds the writer up.
type caretaker struct {
	*Book
	synced  *segment // the live one when it was last made durable
	size    int64    // up to where
	told    int64    // rows dropped when that was last looked at
	telling bool     // rows are being dropped, which was told
	failed  string   // what was told last of the files
}

// keep is the keeper's goroutine.
func (b *Book) keep() {
	defer b.keeper.Done()
	c := caretaker{Book: b}
	for b.pause(syncEvery) {
		c.round()
	}
	b.writer.Wait()
	c.complain(errors.Join(c.sync(), c.seal(), b.closeLive()))
}

func (c *caretaker) round() {
	c.miss()
	c.complain(errors.Join(c.sync(), c.seal(), c.retain()))
	switch dropped := c.dropped.Load(); {
	case dropped > c.told && !c.telling:
		c.telling = true
		c.report("ledger: the disk does not keep up, rows are dropped")
	case dropped == c.told && c.telling && !c.short.Load():
		c.telling = false
		c.report("ledger: no more rows are dropped; since the start it were %d", dropped)
	}
	c.told = c.dropped.Load()
}

// complain tells of what goes wrong with the files, once until it is something else.
func (c *caretaker) complain(err error) {
	text := ""
	if err != nil {
		text = err.Error()
	}
	if text != "" && text != c.failed {
		c.report("ledger: %s", text)
	}
	c.failed = text
}

// miss takes note of files that somebody removed. The next row begins another one.
func (c *caretaker) miss() {
	c.disk.Lock()
	live, segments := c.files()
	c.disk.Unlock()
	gone := slices.DeleteFunc(slices.Clone(segments), func(s *segment) bool {
		_, err := os.Stat(s.path)
		return !errors.Is(err, os.ErrNotExist)
	})
	if len(gone) == 0 {
		return
	}
	c.forget(gone)
	c.disk.Lock()
	if c.live == live && slices.Contains(gone, live) {
		c.retire()
	}
	c.disk.Unlock()
	c.report("ledger: %d files of %s were removed, the rows in them are gone", len(gone), c.opts.Dir)
}

// sync makes durable what was written, and that there is a file at all.
func (c *caretaker) sync() error {
	c.disk.Lock()
	s, f := c.live, c.file
	c.disk.Unlock()
	if s == nil || s == c.synced && s.size.Load() == c.size {
		return nil
	}
	size := s.size.Load()
	if err := s.secure(f); err != nil {
		return err
	}
	if s != c.synced {
		if err := syncDir(c.opts.Dir); err != nil {
			return err
		}
	}
	c.synced, c.size = s, size
	return nil
}

// secure makes durable what was written. Rows that come fast are not kept in memory behind it: those pages would push out what others
// read, and on a virtual machine that has to ask its host for each of them they cost more than all else that a row does.
func (s *segment) secure(f *os.File) error {
	if err := f.Sync(); err != nil {
		return err
	}
	if age := time.Unix(0, s.last.Load()).Sub(s.start); float64(s.size.Load()) > flood*max(age, syncEvery).Seconds() {
		uncache(f)
	}
	return nil
}

// seal closes the files of full segments and writes their indexes.
func (c *caretaker) seal() error {
	c.disk.Lock()
	ended := c.ended
	c.ended = nil
	live, segments := c.files()
	c.disk.Unlock()
	var errs []error
	for _, o := range ended {
		errs = append(errs, o.secure(o.file), o.file.Close())
	}
	for _, s := range segments {
		if s != live && !s.indexed.Load() {
			errs = append(errs, c.index(s))
		}
	}
	return errors.Join(errs...)
}

// files returns the live segment and all of them at one moment. It is called with disk held.
func (c *caretaker) files() (live *segment, all []*segment) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.live, c.segments
}

// index puts the index of a full segment into a file. Readers use the one in memory until then.
func (c *caretaker) index(s *segment) error {
	c.mu.Lock()
	entries := s.entries
	c.mu.Unlock()
	if entries == nil {
		read, _, damaged, err := s.readEntries()
		if err != nil {
			return err
		}
		c.damaged.Add(damaged)
		entries = read
	}
	if err := s.writeIndex(entries); err != nil {
		return err
	}
	s.indexed.Store(true)
	c.mu.Lock()
	s.entries = nil
	c.mu.Unlock()
	return nil
}

// retain removes the oldest segments while there is too much, or they are too old: by the time that passed since the book was opened, and
// not because somebody set the clock.
func (c *caretaker) retain() error {
	p := c.opts.Policy()
	size, age := p.shape()
	c.disk.Lock()
	if c.live != nil && time.Since(c.live.start) >= age {
		c.retire() // also where no row comes any more
	}
	live, segments := c.files()
	c.disk.Unlock()
	total := int64(0)
	for _, s := range segments {
		total += s.weight()
	}
	if live != nil {
		total += max(0, size-live.size.Load()) // it may grow to that
	}
	now := c.opened.Add(time.Since(c.ticks))
	for i, s := range segments {
		if s == live || total <= p.MaxSize && now.Sub(time.Unix(0, s.last.Load())) <= p.Keep {
			break
		}
		total -= s.weight()
		c.forget(segments[:i+1])
		if err := errors.Join(remove(s.path), remove(s.indexPath())); err != nil {
			return err
		}
	}
	return nil
}

// weight is what a segment takes on disk with its index, in bytes.
func (s *segment) weight() int64 {
	n := s.size.Load()
	if info, err := os.Stat(s.indexPath()); err == nil {
		n += info.Size()
	}
	return n
}

// forget takes segments off the list.
func (c *caretaker) forget(gone []*segment) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var left []*segment
	for _, s := range c.segments {
		if !slices.Contains(gone, s) {
			left = append(left, s)
		}
	}
	c.segments = left
}

func remove(name string) error {
	if err := os.Remove(name); !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

// closeLive closes the live segment, which the next Open goes on with.
func (b *Book) closeLive() error {
	b.disk.Lock()
	defer b.disk.Unlock()
	if b.file == nil {
		return nil
	}
	return b.file.Close()
}
