package simulate

import (
	"bytes"
	"strings"
)

// GiantText is the length of the text in an answer of the fault giant, in bytes.
const GiantText = 64 << 20

// giantPiece is the share of one write, and in a stream of one delta.
const giantPiece = 64 << 10

// giant answers with m and a text of GiantText bytes, in the form that whole or events give it. No more than one piece of it is ever held.
func (x *exchange) giant(m *message, stream bool, whole func() any, events func() [][]byte) {
	const mark = "giant text goes here"
	m.blocks = []block{{kind: "text", pieces: []string{mark}}}
	text := bytes.Repeat([]byte("g"), giantPiece)
	x.dress()
	if !stream {
		x.head(200, "application/json")
		before, after, _ := bytes.Cut(marshal(whole()), []byte(mark))
		x.ctx.Response.Header.SetContentLength(len(before) + GiantText + len(after))
		x.carry(closes, spread(before, text, after)...)
		return
	}
	x.head(200, eventStream)
	x.ctx.Response.Header.SetContentLength(-1)
	var before, delta, after []byte
	for _, e := range events() {
		switch {
		case bytes.Contains(e, []byte(mark)):
			delta = chunk(bytes.Replace(e, []byte(mark), text, 1))
		case delta == nil:
			before = append(before, chunk(e)...)
		default:
			after = append(after, chunk(e)...)
		}
	}
	x.carry(closes, spread(before, delta, append(after, "0\r\n\r\n"...))...)
}

// spread puts as many times piece between before and after as make GiantText.
func spread(before, piece, after []byte) [][]byte {
	out := [][]byte{before}
	for range GiantText / giantPiece {
		out = append(out, piece)
	}
	return append(out, after)
}

// garble puts between the first n events and the rest what no provider should send, and gives the event after it CRLF line ends.
func garble(events [][]byte, n int) [][]byte {
	out := append([][]byte(nil), events[:n]...)
	for _, junk := range []string{
		"event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_del\n\n",
		"data: not json, and no event line\n\n",
		": a comment\n\n",
		"event:ping\ndata:{\"type\":\"ping\"}\n\n",
		"event: sunrise\ndata: {\"type\":\"sunrise\"}\n\n",
		"\x00\xff\xfe no field at all\n\n",
	} {
		out = append(out, []byte(junk))
	}
	out = append(out, []byte(strings.ReplaceAll(string(events[n]), "\n", "\r\n")))
	return append(out, events[n+1:]...)
}
