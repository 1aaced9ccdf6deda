package starlark

import (
	"fmt"

	sky "go.starlark.net/starlark"
)

// Bounds of a table that is about to grow. The interpreter looks for the place of each key among the others again then, in one step.
const (
	leastGrown = 400     // keys: fewer take no time to speak of
	mostLooks  = 1 << 21 // at other keys of the same place, of a nanosecond each
	sameLooks  = 16      // that it takes to tell two keys of one hash apart
)

// full reports whether a table of n keys takes more room before it takes another: it has 6.5 for each place, of which there are a power of two.
func full(n int) bool {
	k := n / 13
	return n >= leastGrown && k*13 == n && k&(k-1) == 0
}

// makeRoom refuses a key that is new to a table which would take long to grow for it, since too many of its keys have one place.
func makeRoom(table sky.Iterable, key sky.Value) error {
	n := sky.Len(table)
	if !full(n) || has(table, key) {
		return nil
	}
	if looks(table, 4*n/13) > mostLooks {
		return fmt.Errorf("a table of %d keys that have too few hashes takes too long to grow", n)
	}
	return nil
}

// looks is how many it takes to find the places of all keys of a table that has so many, a power of two.
func looks(table sky.Iterable, places int) (sum int) {
	of, same := make([]int32, places), make(map[uint32]int)
	for key := range sky.Elements(table) {
		h, _ := key.Hash()
		place := &of[int(h)&(places-1)]
		if sum += int(*place); *place >= crowded {
			sum += sameLooks * same[h]
			same[h]++
		}
		*place++
	}
	return sum
}

// crowded is how many keys one place has that others are compared with by their hashes.
const crowded = 64

func has(table sky.Value, key sky.Value) (found bool) {
	switch t := table.(type) {
	case *sky.Dict:
		_, found, _ = t.Get(key)
	case *sky.Set:
		found, _ = t.Has(key)
	}
	return found
}

// growing stands for a full dict in dict[key] = value.
type growing struct{ *sky.Dict }

var _ sky.HasSetKey = growing{}

// SetKey writes an entry.
func (g growing) SetKey(key, v sky.Value) error {
	if err := makeRoom(g.Dict, key); err != nil {
		return err
	}
	return g.Dict.SetKey(key, v)
}

// toWrite is what stands for x in x[key] = value.
func toWrite(x sky.Value) (sky.Value, error) {
	if d, ok := x.(*sky.Dict); ok && full(d.Len()) {
		return growing{d}, nil
	}
	return x, nil
}
