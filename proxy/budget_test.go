//go:build !race

package proxy_test

import (
	"net"
	"testing"
)

// TestAnExchangeStaysInItsMemory counts what one request takes from client to upstream and back, with all that the engine does.
func TestAnExchangeStaysInItsMemory(t *testing.T) {
	f := func(what string, budget float64) {
		t.Helper()
		s := quiet(t, instant(t, benchAnswers[what]))
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		served := make(chan error, 1)
		go func() { served <- s.Serve(ln) }()
		c := newCaller(t, ln.Addr().String(), claudeRequest)
		if n := testing.AllocsPerRun(200, func() { c.call(t) }); n > budget {
			t.Errorf("%s: %g allocations, want at most %g", what, n, budget)
		}
		c.nc.Close()
		if err := s.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		<-served
	}
	f("json", 21)
	f("events", 24)
}
