package runtimes

import "testing"

// Where steps take long the next look comes after fewer of them, and after as many as before once they do not.
func TestTheNextLookComesSoonerWhereStepsTakeLong(t *testing.T) {
	var c Clock
	if n := c.Ahead(1000); n != 1000 {
		t.Errorf("%d steps until the first look, want 1000", n)
	}
	c.pace(100 * spell)
	if n := c.Ahead(1000); n < 1 || n > 10 {
		t.Errorf("%d steps until the next look, after a thousand that took a hundred turns, want at most 10", n)
	}
	for range 10 {
		c.pace(100 * spell)
	}
	if n := c.Ahead(1000); n != 1 {
		t.Errorf("%d steps until the next look, where each takes long, want 1", n)
	}
	for range slowest {
		c.pace(0)
	}
	if n := c.Ahead(1000); n != 1000 {
		t.Errorf("%d steps until the next look, after many that took no time, want 1000", n)
	}
}
