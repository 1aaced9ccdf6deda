package proxy

import (
	"testing"
	"time"

	"github.com/valyala/fasthttp"
)

// Clients that leave between the head and the body of their requests leave nothing behind for long, and those that stay lose nothing.
func TestWhatTheGateFoundOfClientsThatLeftIsForgotten(t *testing.T) {
	var j judgements
	now := time.Now()
	for i := range 10_000 {
		j.put(new(fasthttp.RequestHeader), &exchange{judged: judgement{at: now.Add(time.Duration(i) * 10 * time.Millisecond)}})
	}
	if n := len(j.of); n > 2*int(stillGood/(10*time.Millisecond)) {
		t.Errorf("%d judgements are kept of 10,000 clients that left, a hundred in a second", n)
	}
	waiting := make([]*fasthttp.RequestHeader, 500)
	for i := range waiting {
		waiting[i] = new(fasthttp.RequestHeader)
		j.put(waiting[i], &exchange{judged: judgement{at: now.Add(time.Hour)}})
	}
	for _, h := range waiting {
		if j.take(h) == nil {
			t.Fatal("one that is still good was swept")
		}
	}
}
