package proxy

import (
	"bytes"
	"hash/maphash"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"

	"sluice/engine"
)

const (
	// manyHeads is how many heads are remembered, at most.
	manyHeads = 512
	// longHead is the longest head that is remembered, in bytes.
	longHead = 4 << 10
)

// heads remembers the heads that were let in. A client's requests mostly have the same, but for the length of the body, which nobody
// reads there. What follows of the rest depends on nothing but the generation and when the key ends, so whoever sends the same bytes
// again is told the same.
type heads struct{ of atomic.Pointer[worldsHeads] }

// worldsHeads are those of one generation.
type worldsHeads struct {
	gen   uint64
	seed  maphash.Seed
	slots [manyHeads]headSlot
}

// headSlot holds the latest head of those with its place that came twice in a row: one that differs each time is not worth a place.
type headSlot struct {
	print atomic.Uint64 // of the last that came
	head  atomic.Pointer[head]
}

// recall returns what is known of a head, nil = it must be read.
func (k *heads) recall(gen uint64, h *fasthttp.RequestHeader, now time.Time) *head {
	of := k.of.Load()
	if of == nil || of.gen != gen {
		return nil
	}
	raw := h.RawHeaders()
	from, to := lengthIn(raw)
	known := of.slot(of.print(raw, from, to)).head.Load()
	if known == nil || !known.same(raw, from, to) || known.uri != string(h.RequestURI()) || known.method != string(h.Method()) || !spoken(h) {
		return nil
	}
	if !known.ends.IsZero() && !now.Before(known.ends) {
		return nil
	}
	return known
}

// keep remembers a head that was read and let in, if it was not the first of its kind. Nobody writes to it from then on.
func (k *heads) keep(gen uint64, h *head) {
	of := k.of.Load()
	if of == nil || of.gen < gen { // those of an older generation are of no more use
		k.of.CompareAndSwap(of, &worldsHeads{gen: gen, seed: maphash.MakeSeed()})
		of = k.of.Load()
	}
	if of.gen != gen || len(h.raw) > longHead {
		return
	}
	raw := []byte(h.raw)
	h.from, h.to = lengthIn(raw)
	print := of.print(raw, h.from, h.to)
	if slot := of.slot(print); slot.print.Swap(print) == print {
		slot.head.Store(h)
	}
}

// print tells lines apart, whatever stands between from and to. Nobody who does not know the seed can find two of one print, so that the
// time of a comparison tells nothing of the keys that others sent.
func (of *worldsHeads) print(raw []byte, from, to int) uint64 {
	a, b := maphash.Bytes(of.seed, raw[:from]), maphash.Bytes(of.seed, raw[to:])
	return a ^ b*0x9e3779b97f4a7c15
}

func (of *worldsHeads) slot(print uint64) *headSlot { return &of.slots[print%manyHeads] }

// same reports whether the lines are those of h, but for the body's length.
func (h *head) same(raw []byte, from, to int) bool {
	return h.raw[:h.from] == string(raw[:from]) && h.raw[h.to:] == string(raw[to:])
}

// lengthIn is where the digits of the content-length stand; nowhere is the end.
func lengthIn(raw []byte) (from, to int) {
	const name, tail = "content-length:", "gth:" // few names have a g, which is what is looked for first
	i := bytes.Index(raw, []byte(tail)) + len(tail)
	begin := i - len(name)
	if begin < 0 || begin > 0 && raw[begin-1] != '\n' || !engine.EqualFold(string(raw[begin:i]), name) {
		return len(raw), len(raw)
	}
	for i < len(raw) && raw[i] == ' ' {
		i++
	}
	from = i
	for i < len(raw) && '0' <= raw[i] && raw[i] <= '9' {
		i++
	}
	return from, i
}
