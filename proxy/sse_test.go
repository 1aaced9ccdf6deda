package proxy

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"sluice/engine/turn"
)

// split cuts text at the given places, feeds the pieces to a splitter one after the other, and lists the events.
func split(text string, cuts ...int) []string {
	var s splitter
	var events []string
	begin, at := 0, 0
	for _, cut := range append(cuts, len(text)) {
		for at < cut {
			n := s.next([]byte(text[at:cut]))
			if n < 0 {
				at = cut
				break
			}
			at += n
			if name, data, ok := parseEvent([]byte(text[begin:at])); ok {
				events = append(events, fmt.Sprintf("%s=%q", name, data))
			}
			begin = at
		}
	}
	return events
}

func TestEventsAreFoundInAnyFormOfLine(t *testing.T) {
	f := func(text string, want ...string) {
		t.Helper()
		for _, form := range []string{"\n", "\r\n", "\r"} {
			formed := strings.ReplaceAll(text, "\n", form)
			for cut := range len(formed) + 1 {
				if got := split(formed, cut); !slices.Equal(got, want) {
					t.Errorf("%q cut at %d: got %q, want %q", formed, cut, got, want)
				}
			}
			var all []int
			for i := range formed {
				all = append(all, i)
			}
			if got := split(formed, all...); !slices.Equal(got, want) {
				t.Errorf("%q byte by byte: got %q, want %q", formed, got, want)
			}
		}
	}
	f("")
	f("event: a\ndata: 1\n")
	f("event: a\ndata: 1\n\n", `a="1"`)
	f("event:a\ndata:1\n\nevent: b\ndata:  2\n\n", `a="1"`, `b=" 2"`)
	f("data: 1\ndata: 2\n\n", `="1\n2"`)
	f("data: 2\nevent: late\n\n", `late="2"`)
	f("data\n\n", `=""`)
	f("event: a\n\n", `a=""`)
	f(": comment\n\n\n\nevent: a\ndata: x\n\n", `a="x"`)
	f("datas: 1\neventful: 2\nid: 3\n\n")
	f("event: a\ndata: 1\ndata:\ndata: 3\n\nrest", `a="1\n\n3"`)
}

// FuzzSplit holds that where a text is cut makes no difference.
func FuzzSplit(f *testing.F) {
	f.Add("event: a\r\ndata: 1\r\r\ndata: 2\n\n\r", 3, 9)
	f.Add("\r\n\r\n\r\rdata: x\n\r\n", 1, 2)
	f.Fuzz(func(t *testing.T, text string, a, b int) {
		a, b = min(max(a, 0), len(text)), min(max(b, 0), len(text))
		if whole, cut := split(text), split(text, min(a, b), max(a, b)); !slices.Equal(whole, cut) {
			t.Errorf("%q at %d and %d: got %q, want %q", text, a, b, cut, whole)
		}
	})
}

func TestAnEventIsWrittenAsItIsRead(t *testing.T) {
	f := func(data string) {
		t.Helper()
		written := appendEvent(nil, "error", []byte(data))
		name, got, ok := parseEvent(written)
		if string(name) != "error" || string(got) != data || !ok || split(string(written))[0] == "" {
			t.Errorf("%q: got %q %q from %q", data, name, got, written)
		}
	}
	f("{}")
	f("")
	f("{\n\"a\": 1\n}")
	long := strings.Repeat("a\n", 1<<20)
	f(long)
	if n := testing.AllocsPerRun(1, func() { parseEvent(appendEvent(nil, "", []byte(long))) }); n > 1000 {
		t.Errorf("an event of many lines takes %v allocations", n)
	}
}

func TestWritingAnEventOfManyLinesLetsOthersRun(t *testing.T) {
	const turns = 4
	before := turn.Taken()
	appendEvent(nil, "a", bytes.Repeat([]byte("\n"), turns*linesATurn))
	if n := turn.Taken() - before; n < turns {
		t.Errorf("others run %d times while %d lines are written, want at least %d", n, turns*linesATurn, turns)
	}
}

func TestSeeingAnEventTakesNoMemory(t *testing.T) {
	delta := []byte("event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0}\n\n")
	text := bytes.Repeat(delta, 30)
	var seen stream
	if n := testing.AllocsPerRun(100, func() {
		var s splitter
		for at := 0; at < len(text); {
			k := s.next(text[at:])
			name, data, _ := parseEvent(text[at : at+k])
			seen.see(name, data)
			at += k
		}
	}); n > 0 {
		t.Errorf("%g allocations for 30 events, want none", n)
	}
}

func BenchmarkSeeEvents(b *testing.B) {
	delta := []byte("event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"Hello\"}}\n\n")
	text := bytes.Repeat(delta, 100)
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		var s splitter
		var seen stream
		for at := 0; at < len(text); {
			k := s.next(text[at:])
			name, data, _ := parseEvent(text[at : at+k])
			seen.see(name, data)
			at += k
		}
	}
}
