package engine

import (
	"bytes"
	"io"
)

// Memory is what all calls of scripts, and what they leave behind, hold together. It may be used by many goroutines.
type Memory interface {
	// Lease begins to hold memory for a request of a principal that a script works on. It holds nothing yet.
	Lease(script, principal string) Lease
}

// Lease is memory that is held longer than a call takes. One goroutine uses it.
type Lease interface {
	// Cover sees that so many bytes are held in all. An error says why they are not to be had.
	Cover(bytes int64) error
	// Free gives all back. It is called once.
	Free()
}

// Leases are what an attempt holds; nil of them hold nothing. They are copied, and never written: a call that was left behind may have them.
type Leases struct {
	Kept Lease // for what the dialect keeps
	Made Lease // for the body, or the events, that its last call made
	Read Lease // for the answer, where that was read whole
}

var noLeases Leases

func (s *State) leases() Leases {
	if s.Leases == nil {
		return noLeases
	}
	return *s.Leases
}

// freeBut frees what s holds and next does not.
func (s *State) freeBut(next State) {
	if s.Leases == nil || s.Leases == next.Leases {
		return
	}
	old, left := s.leases(), next.leases()
	free(old.Kept, left.Kept)
	free(old.Made, left.Made)
	free(old.Read, left.Read)
}

func free(old, left Lease) {
	if old != nil && old != left {
		old.Free()
	}
}

// become makes next the state of the latest attempt.
func (x *Exchange) become(next State) {
	x.state.freeBut(next)
	x.state = next
}

// sent frees what was held for the request that is on its way no more.
func (x *Exchange) sent() {
	if l := x.state.Leases; l != nil && l.Made != nil {
		x.become(State{x.state.Kept, x.state.Principal, &Leases{Kept: l.Kept, Read: l.Read}})
	}
}

// Free gives back what scripts made the exchange hold. No hook may be called any more.
func (x *Exchange) Free() { x.become(State{}) }

// counted is what is read of an answer, of which nothing is read before there is memory for it.
type counted struct {
	io.Reader
	lease Lease // nil = nobody counts
	bytes int64 // that were read
	short bool  // there is no memory for more: the error says so
}

// counted is the answer, up to limit bytes and one, in memory that x holds to its end.
func (a *Answer) counted(x *Exchange, limit int64) counted {
	c := counted{Reader: io.LimitReader(a.Body, max(limit, limit+1))}
	if guard := a.Dialect.Guard; guard != nil && guard.Memory != nil {
		c.lease = guard.Memory.Lease(a.Dialect.Script, nameOf(x.Principal))
		l := x.state.leases()
		x.become(State{x.state.Kept, x.state.Principal, &Leases{Kept: l.Kept, Made: l.Made, Read: c.lease}})
	}
	return c
}

// readAll reads to the end, which is expected after so many bytes.
func (c *counted) readAll(expected int64) ([]byte, error) {
	if err := c.cover(expected); err != nil {
		return nil, err
	}
	var all bytes.Buffer
	all.Grow(int(expected) + bytes.MinRead)
	_, err := all.ReadFrom(c)
	return all.Bytes(), err
}

func (c *counted) cover(bytes int64) error {
	if c.lease == nil {
		return nil
	}
	err := c.lease.Cover(bytes)
	c.short = err != nil
	return err
}

func (c *counted) Read(p []byte) (int, error) {
	if err := c.cover(c.bytes + int64(len(p))); err != nil {
		return 0, err
	}
	n, err := c.Reader.Read(p)
	c.bytes += int64(n)
	return n, err
}
