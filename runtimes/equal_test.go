package runtimes

import (
	"errors"
	"testing"
)

// ones is a list of so many ones.
type ones int

func (l ones) Len() int     { return int(l) }
func (l ones) At(int) Value { return OfInt(1) }

// A comparison of much looks at the clock, and gives up when the call is over.
func TestComparisonsLookAtTheClock(t *testing.T) {
	const size, least = 100_000, 90
	looks, last := 0, -1
	c := &Call{Look: func() error {
		if looks++; looks == last {
			return errors.New("over")
		}
		return nil
	}}
	if l := OfList(ones(size)); !equal(c, l, l) || looks < least {
		t.Errorf("%d values are equal after %d looks, want at least %d", size, looks, least)
	}
	looks, last = 0, least/2
	if l := OfList(ones(size)); equal(c, l, l) || looks != last {
		t.Errorf("%d values are equal after %d looks, want it to give up at look %d", size, looks, last)
	}
}
