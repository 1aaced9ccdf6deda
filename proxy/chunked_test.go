package proxy

import (
	"errors"
	"io"
	"net/http/httputil"
	"os"
	"strings"
	"testing"
)

// haltingReader gives one piece at a time, and a passed deadline before each.
type haltingReader struct {
	pieces []string
	halted bool
}

func (h *haltingReader) Read(p []byte) (int, error) {
	if len(h.pieces) == 0 {
		return 0, io.EOF
	}
	if h.halted = !h.halted; h.halted {
		return 0, os.ErrDeadlineExceeded
	}
	n := copy(p, h.pieces[0])
	if h.pieces[0] = h.pieces[0][n:]; h.pieces[0] == "" {
		h.pieces = h.pieces[1:]
	}
	return n, nil
}

// decode reads a chunked body that comes in pieces, and repeats reads that were halted.
func decode(size int, pieces ...string) (string, error) {
	c := &chunks{br: &inbox{from: &haltingReader{pieces: pieces}}}
	var out strings.Builder
	p := make([]byte, size)
	for {
		n, err := c.Read(p)
		out.Write(p[:n])
		if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			return out.String(), err
		}
	}
}

func TestChunksSurviveHaltsAnywhere(t *testing.T) {
	const text = "5\r\nhello\r\n1;ext=\"v\"\r\n \r\n6 \r\nworld!\r\n0\r\nX-A: b\r\nX-C: d\r\n\r\n"
	for size := 1; size < 20; size++ {
		for cut := range len(text) {
			if got, err := decode(size, text[:cut], text[cut:]); got != "hello world!" || err != io.EOF {
				t.Errorf("cut at %d, %d bytes at once: %q, %v", cut, size, got, err)
			}
		}
		if got, err := decode(size, strings.Split(text, "")...); got != "hello world!" || err != io.EOF {
			t.Errorf("byte by byte, %d at once: %q, %v", size, got, err)
		}
	}
}

func TestChunksThatEndEarlyAreCut(t *testing.T) {
	const text = "5\r\nhello\r\n0\r\nX: y\r\n\r\n"
	for cut := range len(text) {
		if _, err := decode(100, text[:cut]); err != io.ErrUnexpectedEOF {
			t.Errorf("%q: %v, want an unexpected end", text[:cut], err)
		}
	}
}

func TestMalformedChunksAreAnError(t *testing.T) {
	for _, text := range []string{"\r\n", "x\r\n", "-1\r\n", "+1\r\nx", "0x1\r\nx", "1\nx\r\n", "1\r\nxx\r\n", "1\r\nx\n", "1\r\nx\r\n0\n\n", " 1\r\nx\r\n", "1 1\r\nx\r\n", "1;\r\r\nx\r\n", "1;\ra\r\nx\r\n",
		"10000000000000000\r\n", strings.Repeat("0", upstreamBuffer), "0\r\n" + strings.Repeat("x: y\r\n", 5000)} {
		if got, err := decode(100, text); err != errBadChunk {
			t.Errorf("%.40q: %q, %v", text, got, err)
		}
	}
}

func TestChunksStopWhereTheBodyStops(t *testing.T) {
	br := &inbox{from: strings.NewReader("1\r\nx\r\n0\r\n\r\nHTTP/1.1")}
	if _, err := io.ReadAll(&chunks{br: br}); err != nil {
		t.Fatal(err)
	}
	if rest, _ := io.ReadAll(br); string(rest) != "HTTP/1.1" {
		t.Errorf("%q is left", rest)
	}
}

// FuzzChunks holds the decoder against the standard library's: what ours takes theirs takes too, for the same bytes.
func FuzzChunks(f *testing.F) {
	f.Add("5\r\nhello\r\n0\r\n\r\n", 3, 7)
	f.Add("1;a\r\nx\r\n00\r\nA: b\r\n\r\n", 1, 2)
	f.Fuzz(func(t *testing.T, text string, size, cut int) {
		cut = min(max(cut, 0), len(text))
		var pieces []string
		for _, p := range []string{text[:cut], text[cut:]} {
			if p != "" {
				pieces = append(pieces, p)
			}
		}
		got, err := decode(min(max(size, 1), 1000), pieces...)
		if err != io.EOF {
			return
		}
		want, err := io.ReadAll(httputil.NewChunkedReader(strings.NewReader(text)))
		if err != nil || string(want) != got {
			t.Errorf("%q: got %q, the library %q, %v", text, got, want, err)
		}
	})
}
