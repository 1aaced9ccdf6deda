package runtimes

import (
	"errors"
	"strings"
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

// sameTexts is a list of one text, so many times.
type sameTexts struct {
	text string
	many int
}

func (l sameTexts) Len() int     { return l.many }
func (l sameTexts) At(int) Value { return OfString(l.text) }

// Long texts count for more than one value each.
func TestComparisonsOfLongTextsLookAtTheClock(t *testing.T) {
	const many = 10
	looks := 0
	c := &Call{Look: func() error { looks++; return nil }}
	long := strings.Repeat("a", 2*manyCompared<<10)
	if !equal(c, OfList(sameTexts{long, many}), OfList(sameTexts{strings.Clone(long), many})) || looks < many-1 {
		t.Errorf("%d texts are equal after %d looks, want one between two of them", many, looks)
	}
}
