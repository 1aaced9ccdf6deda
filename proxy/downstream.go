package proxy

import (
	"errors"
	"net"
	"strconv"
	"sync"

	"sluice/engine/body"
)

// What downstream.left says of a body that tells no length.
const (
	inChunks = -1
	untilEnd = -2 // it ends with its connection
)

const (
	lastChunk  = "0\r\n\r\n"
	keptBuffer = 2 * writeBuffer // a larger one is not kept for the next answer, and a longer part of a body is copied to one only if it is the last, in bytes
)

// downstream writes one answer to its client: the head, and the body in the framing that the head tells. The head goes out with what
// is written first.
type downstream struct {
	to   net.Conn
	out  *[]byte // of outBuffers: what waits to go out; nil = nothing
	left int64   // of the body, in bytes, or one of the above
	hold bool    // what is written next is the last: it goes out with the end
}

// outBuffers are of *[]byte, and hold what one write to a client takes.
var outBuffers = sync.Pool{New: func() any { b := make([]byte, 0, writeBuffer+64); return &b }}

// room is where what goes out next is put together.
func (d *downstream) room() *[]byte {
	if d.out == nil {
		d.out = outBuffers.Get().(*[]byte)
	}
	return d.out
}

var (
	errTooLong  = errors.New("the body is longer than its head says")
	errTooShort = errors.New("the body is shorter than its head says")
)

// Write sends p as a part of the body. Of one that breaks off it returns how much the network took.
func (d *downstream) Write(p []byte) (int, error) {
	switch {
	case len(p) == 0:
		return 0, nil
	case d.left >= 0:
		if d.left -= int64(len(p)); d.left < 0 {
			return 0, errTooLong
		}
		d.hold = d.hold || d.left == 0
	}
	if d.out == nil && !d.hold && d.left != inChunks {
		return d.to.Write(p)
	}
	out, end := d.room(), ""
	if d.left == inChunks {
		*out, end = append(strconv.AppendUint(*out, uint64(len(p)), 16), "\r\n"...), "\r\n"
	}
	before := len(*out)
	if len(p) > keptBuffer && !d.hold {
		n, err := d.flushWith(p, end)
		return min(max(n-before, 0), len(p)), err
	}
	*out = body.Grow(*out, len(p)+len(end))
	*out = append(body.Append(*out, p), end...)
	if d.hold {
		d.hold = false
		return len(p), nil
	}
	n, err := d.flush()
	return min(max(n-before, 0), len(p)), err
}

// end sends the end of a body that is whole.
func (d *downstream) end() error {
	if d.left > 0 {
		return errTooShort
	}
	if d.left == inChunks {
		*d.room() = append(*d.room(), lastChunk...)
	}
	_, err := d.flush()
	return err
}

// flush sends what waits.
func (d *downstream) flush() (int, error) {
	b := d.out
	if b == nil {
		return 0, nil
	}
	d.out = nil
	n, err := d.to.Write(*b)
	keepBuffer(b)
	return n, err
}

// flushWith sends what waits, and behind it what is too long to be copied, and its end.
func (d *downstream) flushWith(long []byte, end string) (int, error) {
	b := d.out
	d.out = nil
	all := net.Buffers{*b, long, []byte(end)}
	n, err := all.WriteTo(d.to)
	keepBuffer(b)
	return int(n), err
}

// keepBuffer leaves a buffer to the next answer.
func keepBuffer(b *[]byte) {
	if cap(*b) <= keptBuffer {
		*b = (*b)[:0]
		outBuffers.Put(b)
	}
}
