package body

import (
	"slices"
	"strings"
	"unsafe"

	"sluice/engine/turn"
)

// piece is how many bytes are moved at once. The scheduler cannot stop such a move: whoever collects garbage spins on another processor
// until it is done, and sends it a signal each 5 us meanwhile, under which a move of 16 MiB takes 50 ms.
const piece = 64 << 10

// piecesATurn is how many pieces are moved until others run. They take some 50 us where memory lies ready, and up to a millisecond where the
// system has to hand it out.
const piecesATurn = 4

// A Rester works, and lets others run behind every few pieces: the caller holds no lock then.
type Rester interface{ Rest() }

// Pieces are moved for somebody, whose time it may be in which others run.
type Pieces struct {
	By Rester // nil = anybody
}

// pause stands behind the nth piece that is moved, counted from 1. It is a call also where nobody rests: signals arrive within the moves, where
// they stop nobody, and the scheduler stops what calls.
//
//go:noinline
func (p Pieces) pause(n int) {
	switch {
	case n%piecesATurn != 0:
	case p.By != nil:
		p.By.Rest()
	default:
		turn.Yield()
	}
}

// AppendText appends a text as append does, piece by piece.
func (p Pieces) AppendText(dst []byte, s string) []byte {
	return appendPieces(p, dst, unsafe.Slice(unsafe.StringData(s), len(s)))
}

// Grow makes room for n more bytes as slices.Grow does, piece by piece.
func (p Pieces) Grow(dst []byte, n int) []byte { return grow(p, dst, n) }

// Repeat is strings.Repeat, piece by piece.
func (p Pieces) Repeat(s string, n int) string {
	size := len(s) * n
	if size <= piece {
		return strings.Repeat(s, n)
	}
	out, unit := Room(size), strings.Repeat(s, min(n, 1+piece/len(s)))
	for i := 1; size-len(out) > len(unit); i++ {
		out = p.AppendText(out, unit)
		p.pause(i)
	}
	return TextOf(p.AppendText(out, unit[:size-len(out)]))
}

// Append appends src to dst as append does, piece by piece, for anybody.
func Append[E any](dst, src []E) []E { return appendPieces(Pieces{}, dst, src) }

// Grow makes room for n more elements as slices.Grow does, piece by piece, for anybody.
func Grow[E any](dst []E, n int) []E { return grow(Pieces{}, dst, n) }

func appendPieces[E any](p Pieces, dst, src []E) []E {
	n := pieceOf[E]()
	if len(src) > n || len(dst) > n {
		dst = grow(p, dst, len(src))
	}
	for i := 1; len(src) > n; i++ {
		dst = append(dst, src[:n]...)
		src = src[n:]
		p.pause(i)
	}
	return append(dst, src...)
}

func grow[E any](p Pieces, dst []E, n int) []E {
	if cap(dst)-len(dst) >= n {
		return dst
	}
	if len(dst)+n <= pieceOf[E]() {
		return slices.Grow(dst, n)
	}
	return appendPieces(p, room[E](len(dst)+max(n, len(dst)/2)), dst)
}

// room is Room for elements of any type. Others than bytes may hold pointers, which are cleared.
func room[E any](n int) []E {
	if _, ok := any([]E(nil)).([]byte); ok {
		return any(Room(n)).([]E)
	}
	return make([]E, 0, n)
}

// Room is an empty slice to append n bytes to. They are not cleared, which the scheduler could stop no more than a move.
func Room(n int) []byte {
	if n <= piece {
		return make([]byte, 0, n)
	}
	var b strings.Builder
	b.Grow(n)
	b.WriteByte(0)
	return unsafe.Slice(unsafe.StringData(b.String()), n)[:0]
}

// TextOf is a text that was made, and that nobody writes to any more, where it lies.
func TextOf(made []byte) string { return unsafe.String(unsafe.SliceData(made), len(made)) }

// pieceOf is how many elements of a type are a piece.
func pieceOf[E any]() int { return piece / max(1, int(unsafe.Sizeof(*new(E)))) }
