package proxy

import (
	"bytes"
	"io"
	"net"
	"net/http/httputil"
	"runtime"
	"testing"
	"time"
)

// What is long costs as much memory as it has bytes at most: a copy of it that is made at once can be stopped by nobody, and whoever
// collects garbage waits for its end.
func TestALongEventIsNotCopiedAtOnce(t *testing.T) {
	const long = 4 << 20
	data := bytes.Repeat([]byte("x"), long)
	if n := allocated(func() { appendEvent(nil, "message", data) }); n > long+long/4 {
		t.Errorf("an event of %d bytes takes %d, want its own", long, n)
	}

	near, far := net.Pipe()
	defer far.Close()
	got, over := bytes.NewBuffer(make([]byte, 0, 2*long)), make(chan error, 1)
	go func() {
		_, err := io.Copy(got, httputil.NewChunkedReader(far))
		over <- err
	}()
	d := downstream{to: near, left: inChunks}
	if n := allocated(func() {
		for _, p := range [][]byte{[]byte("first "), data, []byte(" last")} {
			if n, err := d.Write(p); n != len(p) || err != nil {
				t.Errorf("%d of %d bytes are written, %v", n, len(p), err)
			}
		}
	}); n > long/4 {
		t.Errorf("%d bytes are sent from where they lie, and take %d", long, n)
	}
	if err := d.end(); err != nil {
		t.Error(err)
	}
	if err := <-over; err != nil || got.String() != "first "+string(data)+" last" {
		t.Errorf("what comes out is not what went in: %v", err)
	}
}

// What is the last of an answer goes out with its end, however long it is: until then the exchange settles.
func TestTheLastPartWaitsForTheEndThoughItIsLong(t *testing.T) {
	near, far := net.Pipe()
	defer far.Close()
	if err := near.SetWriteDeadline(time.Now()); err != nil {
		t.Fatal(err)
	}
	part := bytes.Repeat([]byte("x"), 1<<20)
	for _, d := range []downstream{{to: near, left: inChunks, hold: true}, {to: near, left: int64(len(part))}} {
		*d.room() = []byte("head")
		if n, err := d.Write(part); n != len(part) || err != nil {
			t.Errorf("%d bytes of the last part of %d are written before the end: %v", n, d.left, err)
		}
		if err := d.end(); err == nil {
			t.Error("the end sends nothing")
		}
	}
}

// allocated is how many bytes f allocates.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}
