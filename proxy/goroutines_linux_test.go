package proxy_test

import (
	"io"
	"strings"
	"testing"
)

// An open stream has the goroutine of its connection, and no other: that the client leaves is seen by one for all of them.
func TestAnOpenStreamTakesOneGoroutine(t *testing.T) {
	const streams = 20
	end := make(chan struct{})
	up := plays(t, func(s *stage) {
		if _, ok := s.next(); ok {
			s.say(eventHead + chunk(start))
			<-end
			s.say(chunk(stop) + lastChunk)
		}
	})
	r := newRig(t, up.upstream("a")).start()
	var open []io.Reader
	add := func(n int) {
		for range n {
			open = append(open, r.dial().send(post("/v1/messages", helloStream)).head("POST").Body)
		}
	}
	serving := func() (n int) {
		for _, stack := range ourGoroutines() {
			if strings.Contains(stack, "sluice/proxy.(*") {
				n++
			}
		}
		return n
	}
	add(1)
	before := serving()
	add(streams)
	if n := serving() - before; n != streams {
		t.Errorf("%d goroutines for %d streams", n, streams)
	}
	close(end)
	for _, body := range open {
		if text, err := io.ReadAll(body); err != nil || !strings.HasSuffix(string(text), stop) {
			t.Errorf("a stream ended with %q, %v", text, err)
		}
	}
}
