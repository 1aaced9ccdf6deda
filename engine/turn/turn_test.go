package turn

import (
	"io"
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
)

// Where each processor has a call that takes long, what the network has ready is found when one of them makes room, and not when a
// monitor looks, by which time they have made room hundreds of times.
func TestALongCallMakesRoomForTheNetwork(t *testing.T) {
	const trips, most, steps = 100, 100, 20_000
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		if c, err := l.Accept(); err == nil {
			_, _ = io.Copy(c, c)
		}
	}()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()

	var over atomic.Bool
	var turns atomic.Int64
	var calls sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		calls.Go(func() {
			for !over.Load() {
				for i := int64(0); i < steps && !over.Load(); i++ {
				}
				Yield()
				turns.Add(1)
			}
		})
	}
	for turns.Load() < int64(runtime.GOMAXPROCS(0)) {
		runtime.Gosched()
	}
	turns.Store(0)
	for range trips {
		b := []byte{1}
		if _, err := c.Write(b); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(c, b); err != nil {
			t.Fatal(err)
		}
	}
	over.Store(true)
	calls.Wait()
	if n := turns.Load() / trips; n > most {
		t.Errorf("calls make room %d times while the network answers once, want at most %d", n, most)
	}
}
