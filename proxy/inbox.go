package proxy

import (
	"bufio"
	"io"
	"sync"
)

// inbox buffers what an upstream sends. It holds memory only from when something came until it is asked for more: thousands of streams wait
// most of the time. Its exported methods are those of a bufio.Reader.
type inbox struct {
	from io.Reader
	buf  *[]byte // of inboxBuffers, nil = nothing is here
	r, w int     // what is here is buf[r:w]
}

// filler is a reader that takes memory for what it reads only once that can be read.
type filler interface {
	// fill returns n > 0 bytes in a buffer of inboxBuffers, which is then the caller's, or nil and an error.
	fill() (buf *[]byte, n int, err error)
}

var inboxBuffers = sync.Pool{New: func() any { b := make([]byte, upstreamBuffer); return &b }}

// here is what came and was not taken. It is good until the next call that waits.
func (b *inbox) here() []byte {
	if b.buf == nil {
		return nil
	}
	return (*b.buf)[b.r:b.w]
}

// Peek waits until n bytes are here and returns them. They are good until the next call that waits.
func (b *inbox) Peek(n int) ([]byte, error) {
	for b.w-b.r < n {
		if b.w-b.r == upstreamBuffer {
			return nil, bufio.ErrBufferFull
		}
		if err := b.more(); err != nil {
			return nil, err
		}
	}
	if n == 0 {
		return nil, nil
	}
	return (*b.buf)[b.r : b.r+n], nil
}

// Discard drops n bytes that are here.
func (b *inbox) Discard(n int) (int, error) {
	b.r += n
	return n, nil
}

// Read takes what is here, and waits if nothing is.
func (b *inbox) Read(p []byte) (int, error) {
	for b.r == b.w {
		if err := b.more(); err != nil {
			return 0, err
		}
	}
	n := copy(p, (*b.buf)[b.r:b.w])
	b.r += n
	return n, nil
}

// more waits for at least one byte more, behind those that are here.
func (b *inbox) more() (err error) {
	if b.r == b.w {
		b.release()
		if f, ok := b.from.(filler); ok {
			b.buf, b.w, err = f.fill()
			return err
		}
		b.buf = inboxBuffers.Get().(*[]byte)
	}
	if b.r > 0 {
		b.w, b.r = copy(*b.buf, (*b.buf)[b.r:b.w]), 0
	}
	n, err := b.from.Read((*b.buf)[b.w:])
	if b.w += n; n > 0 {
		return nil // the next read says what is wrong
	}
	if b.w == 0 {
		b.release()
	}
	return err
}

// release gives back the memory of an inbox that is empty.
func (b *inbox) release() {
	if b.buf != nil {
		inboxBuffers.Put(b.buf)
	}
	b.buf, b.r, b.w = nil, 0, 0
}
