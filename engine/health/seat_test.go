package health

import (
	"testing"
	"time"

	"sluice/engine"
)

// Who has a seat at a tracker is the same to it as who is looked up, and a stranger to any other.
func TestASeatIsOfOneTracker(t *testing.T) {
	t.Parallel()
	mine, other := NewTracker(nil), NewTracker(nil)
	plain := &engine.Upstream{ID: engine.UpstreamID("a"), Name: "a"}
	seated := *plain
	seated.Seat = mine.Seat(plain.ID, "")
	for _, u := range []*engine.Upstream{plain, &seated} {
		mine.Enter(engine.Account{Upstream: u})
	}
	for _, u := range []*engine.Upstream{plain, &seated} {
		if n := mine.Vitals(u, time.Now()).InFlight; n != 2 {
			t.Errorf("%d requests are in flight, want 2", n)
		}
		if n := other.Vitals(u, time.Now()).InFlight; n != 0 {
			t.Errorf("another tracker knows of %d requests in flight, want 0", n)
		}
	}
}
