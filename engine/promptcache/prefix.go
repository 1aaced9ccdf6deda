package promptcache

import (
	"time"

	"github.com/cespare/xxhash/v2"

	"sluice/engine"
	"sluice/engine/body"
)

// A provider's cache holds prefixes of the prompt, in the order tools, system, messages, that end where a block is marked with
// cache_control. A mark moves on with every turn of a conversation, so it is no part of what is compared.

// boundary is the end of a block.
type boundary struct {
	hash  uint64        // of all up to here
	bytes int           // up to here
	keep  time.Duration // how long what ends here is asked to be kept, 0 = it is not marked
}

// prefix is a prompt as its cache sees it: the ends of all its blocks, in order.
type prefix struct{ blocks []boundary }

// reader sums up a prompt.
type reader struct {
	prefix
	sum   xxhash.Digest
	bytes int
	ended int  // blocks
	plain bool // the ends of blocks are not asked for
}

// maxBlocks is how many blocks of a prompt are read, in bytes as few as two each: more than fit into any model's context.
const maxBlocks = 1 << 16

// usualBlocks is how many blocks a prompt has room for at first: of a talk that goes on it spares most of the growing.
const usualBlocks = 32

// readPrefix reads the prompt out of a request. Of a body that is not JSON, or has too many blocks, there is none.
func readPrefix(q *engine.RequestContext) prefix {
	top := scanned(q)
	if top == nil {
		return prefix{}
	}
	r := &reader{prefix: prefix{make([]boundary, 0, usualBlocks)}}
	r.instructions(q, top)
	for m := range member(top, "messages").Elements() {
		if r.message(m); r.full() {
			return prefix{}
		}
	}
	if mark := member(top, "cache_control"); mark.Kind() == body.Object && len(r.blocks) > 0 {
		r.blocks[len(r.blocks)-1].keep = keepOf(mark) // the provider marks the last block by itself
	}
	return r.prefix
}

// readStart sums up what a conversation keeps, and reads no further: all up to its first message. Of a body that is not JSON it is 0.
func readStart(q *engine.RequestContext) uint64 {
	top := scanned(q)
	if top == nil {
		return 0
	}
	r := &reader{plain: true}
	r.instructions(q, top)
	for m := range member(top, "messages").Elements() {
		r.message(m)
		break
	}
	return r.sum.Sum64()
}

// scanned is the body's index, nil = it is not JSON.
func scanned(q *engine.RequestContext) *body.Top {
	if top, ok := q.Index.(*body.Top); ok {
		return top
	}
	top, err := body.Scan(q.Body)
	if err != nil {
		return nil
	}
	return &top
}

func member(top *body.Top, key string) body.Value {
	v, _ := top.Get(key)
	return v
}

// instructions are what stands before the messages.
func (r *reader) instructions(q *engine.RequestContext, top *body.Top) {
	r.sum.Reset()
	r.write([]byte(q.Model))
	r.list(member(top, "tools"))
	r.content(member(top, "system"))
}

func (r *reader) write(b []byte) {
	_, _ = r.sum.Write(b)
	_, _ = r.sum.Write([]byte{0})
	r.bytes += len(b)
}

// message is read in one go: its members are long.
func (r *reader) message(m body.Value) {
	var role, content body.Value
	for key, value := range m.Members() {
		switch string(key) {
		case `"role"`:
			role = value
		case `"content"`:
			content = value
		}
	}
	r.write(role.Raw())
	r.content(content)
}

// content is a list of blocks, or a text, which is short for a list of one: a client that marks the last message writes that one as a list
// and the same one in the next turn as a text.
func (r *reader) content(v body.Value) {
	switch v.Kind() {
	case body.Absent:
	case body.List:
		r.list(v)
	case body.String:
		for _, part := range textBlock {
			r.write(part)
		}
		fallthrough
	default:
		r.write(v.Raw())
		r.end(0)
	}
}

// textBlock is what a block of text is before its text.
var textBlock = [][]byte{[]byte(`"type"`), []byte(`"text"`), []byte(`"text"`)}

func (r *reader) list(v body.Value) {
	for block := range v.Elements() {
		if r.full() {
			return
		}
		if block.Kind() != body.Object {
			r.write(block.Raw())
			r.end(0)
			continue
		}
		var keep time.Duration
		for key, value := range block.Members() {
			if string(key) == `"cache_control"` {
				keep = keepOf(value)
				continue
			}
			r.write(key)
			r.write(value.Raw())
		}
		r.end(keep)
	}
}

func (r *reader) full() bool { return r.ended >= maxBlocks }

func (r *reader) end(keep time.Duration) {
	r.ended++
	if !r.plain {
		r.blocks = append(r.blocks, boundary{r.sum.Sum64(), r.bytes, keep})
	}
}

// keepOf is how long a mark asks for; null is no mark.
func keepOf(mark body.Value) time.Duration {
	if mark.Kind() != body.Object {
		return 0
	}
	ttl, _ := mark.Get(body.Path{"ttl"})
	if text, _ := ttl.Text(); text == "1h" {
		return time.Hour
	}
	return 5 * time.Minute
}

// lookBack is how many blocks before a mark the provider looks for something it has.
const lookBack = 20

// candidates calls f with the places where the provider looks, the longest first, until f returns false.
func (p prefix) candidates(f func(boundary) bool) {
	next := len(p.blocks) // what is at or after it was looked at
	for mark := len(p.blocks) - 1; mark >= 0; mark-- {
		if p.blocks[mark].keep == 0 {
			continue
		}
		for i := min(mark, next-1); i >= 0 && i >= mark-lookBack; i-- {
			if !f(p.blocks[i]) {
				return
			}
			next = i
		}
	}
}

// last is the last marked place, false = there is none.
func (p prefix) last() (boundary, bool) {
	for i := len(p.blocks) - 1; i >= 0; i-- {
		if p.blocks[i].keep > 0 {
			return p.blocks[i], true
		}
	}
	return boundary{}, false
}
