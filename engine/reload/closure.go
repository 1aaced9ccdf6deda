package reload

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"sync"
)

// closure hands out the files of a snapshot and remembers which were asked for, whether they were there or not: they are what a script
// consists of. It may be used by many goroutines, and as long as the script lives.
type closure struct {
	snap *Snapshot
	mu   sync.Mutex
	read map[string]bool
}

func newClosure(snap *Snapshot, script string) *closure {
	return &closure{snap: snap, read: map[string]bool{script: true}}
}

func (c *closure) remember(name string) {
	c.mu.Lock()
	c.read[name] = true
	c.mu.Unlock()
}

// readAs remembers all that v consists of.
func (c *closure) readAs(v *Version) {
	for _, name := range v.closure.names() {
		c.remember(name)
	}
}

func (c *closure) Open(name string) (fs.File, error) {
	c.remember(name)
	return c.snap.Open(name)
}

func (c *closure) ReadFile(name string) ([]byte, error) {
	c.remember(name)
	return c.snap.ReadFile(name)
}

// names are sorted.
func (c *closure) names() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Sorted(maps.Keys(c.read))
}

// sameIn reports whether all that was read reads the same in s.
func (c *closure) sameIn(s *Snapshot) bool {
	return c.snap.sum == s.sum || !slices.ContainsFunc(c.names(), func(name string) bool {
		return c.snap.find(name).sum != s.find(name).sum
	})
}

// version is the hex SHA-256 over the files that are there.
func (c *closure) version() string {
	h := sha256.New()
	for name, f := range c.files() {
		fmt.Fprintf(h, "%s\x00%x\n", name, f.sum)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// files yields the files that are there, by name.
func (c *closure) files() func(yield func(string, *file) bool) {
	return func(yield func(string, *file) bool) {
		for _, name := range c.names() {
			if f := c.snap.find(name); !f.missing() && !yield(name, f) {
				return
			}
		}
	}
}
