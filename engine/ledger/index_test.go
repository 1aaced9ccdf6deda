package ledger

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"testing"
)

// An index is in the order of its hashes, and of its rows where hashes are alike.
func TestAnIndexIsSorted(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(1, 2))
	for n := range 300 {
		entries := make([]entry, n)
		for i := range entries {
			entries[i] = entry{rng.Uint64() & (0xff << (8 * rng.IntN(8))), int64(i)}
		}
		want := slices.Clone(entries)
		slices.SortFunc(want, func(a, b entry) int { return cmp.Or(cmp.Compare(a.hash, b.hash), cmp.Compare(a.at, b.at)) })
		if got := byHash(entries); !slices.Equal(got, want) {
			t.Fatalf("sorted %d entries to %v, want %v", n, got, want)
		}
	}
}
