package body

import (
	"slices"
	"strings"
	"testing"
)

// Piece by piece or in one go, what is appended is the same, and what it is appended to has not changed.
func TestAppendsByPiecesAreAppends(t *testing.T) {
	sizes := []int{0, 1, piece - 1, piece, piece + 1, 3*piece + 7}
	for _, before := range sizes {
		for _, more := range sizes {
			dst, text := []byte(strings.Repeat("ab", before)[:before]), strings.Repeat("xyz", more)[:more]
			kept := string(dst)
			if got := (Pieces{}).AppendText(dst, text); string(got) != kept+text || string(dst) != kept {
				t.Errorf("%d bytes and %d more: got %d others", before, more, len(got))
			}
			if got := Grow(dst, more); string(got) != kept || cap(got)-len(got) < more {
				t.Errorf("%d bytes with room for %d more: %d with room for %d", before, more, len(got), cap(got)-len(got))
			}
		}
	}
	for _, s := range []string{"", "a", "abcdefg", strings.Repeat("ab", piece)} {
		for _, n := range []int{0, 1, 2, piece/7 + 1, 1<<18 + 1} {
			if n*len(s) < 1<<22 && (Pieces{}).Repeat(s, n) != strings.Repeat(s, n) {
				t.Errorf("%d times %d bytes differ", n, len(s))
			}
		}
	}
	words := slices.Repeat([]string{"a", "b", "c"}, piece/16)
	if got := Append(words, words); !slices.Equal(got, slices.Concat(words, words)) {
		t.Errorf("%d words and as many more: got %d others", len(words), len(got))
	}
}
