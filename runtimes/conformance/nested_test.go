package conformance_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"unicode/utf16"

	"sluice/engine"
	"sluice/runtimes"
)

// nested makes documents of JSON that hold others in their strings, each beside what is left of it without its secrets.
type nested struct{ *rand.Rand }

var (
	nestedWords = [][2]string{{"jane.doe@example.com", "[email]"}, {"AIza0123456789012345678901234567890abcd", "[key]"}, {"sk-ant-0123456789abcdef", "[key]"},
		{"@functools.wraps", "@functools.wraps"}, {"word", "word"}, {"", ""}}
	nestedGaps = []string{"\n", "\r\n", "\t", "\b", "\f", "\x01", "é", "😀", "<", `"`, "/", `\`, `\\`, "\u2028", " "}
)

// text is words with something between them that is in none.
func (n nested) text() (text, clean string) {
	for range 1 + n.IntN(5) {
		gap, word := nestedGaps[n.IntN(len(nestedGaps))], nestedWords[n.IntN(len(nestedWords))]
		text, clean = text+gap+word[0], clean+gap+word[1]
	}
	return text, clean
}

// object is a document of so many levels.
func (n nested) object(levels int) (text, clean string) {
	for i := range 1 + n.IntN(3) {
		inner, innerClean := n.text()
		if levels > 1 && i == 0 {
			inner, innerClean = n.object(levels - 1)
		}
		key, keyClean := n.text()
		style, space := n.IntN(4), []string{"", " ", "\n\t"}[n.IntN(3)]
		text += "," + space + quote(key, style) + ":" + quote(inner, style)
		clean += "," + space + quote(keyClean, style) + ":" + quote(innerClean, style)
	}
	return "{" + text[1:] + "}", "{" + clean[1:] + "}"
}

// quote is a text as a string of JSON in one of the styles of those who write it: as few escapes as there can be, the web's, ASCII alone, or no
// short escapes.
func quote(s string, style int) string {
	if style == 1 {
		quoted, _ := json.Marshal(s) // a string always has JSON
		return string(quoted)
	}
	short := map[rune]string{'"': `\"`, '\\': `\\`, '\n': `\n`, '\r': `\r`, '\t': `\t`, '\b': `\b`, '\f': `\f`}
	var out strings.Builder
	for _, r := range s {
		switch {
		case short[r] != "" && (style != 3 || r == '"' || r == '\\'):
			out.WriteString(short[r])
		case r < ' ' || r > '~' && style > 1:
			for _, unit := range utf16.Encode([]rune{r}) {
				fmt.Fprintf(&out, `\u%04X`, unit)
			}
		default:
			out.WriteRune(r)
		}
	}
	return `"` + out.String() + `"`
}

// What is JSON in the strings of JSON, at any depth, is the same without its secrets: every byte else is there.
func TestJSONWithinStringsStaysWhole(t *testing.T) {
	n := nested{rand.New(rand.NewPCG(5, 6))}
	for range 150 {
		text, clean := n.object(1 + n.IntN(4))
		for _, lang := range languages() {
			d := bundledDialect(t, lang, "redact")
			if got := answered(t, d, text); got != clean {
				t.Fatalf("%s: an answer %s:\ngot  %s\nwant %s", lang.Extension(), text, got, clean)
			}
			for field, kind := range map[string]string{"partial_json": "input_json_delta", "text": "text_delta"} {
				if got := streamed(t, d, n.pieces(text), kind, field); got != clean {
					t.Fatalf("%s: %s in pieces %s:\ngot  %s\nwant %s", lang.Extension(), field, text, got, clean)
				}
			}
		}
	}
}

// pieces cuts a text anywhere.
func (n nested) pieces(text string) (pieces []string) {
	for runes := []rune(text); len(runes) > 0; {
		k := 1 + n.IntN(min(60, len(runes)))
		pieces, runes = append(pieces, string(runes[:k])), runes[k:]
	}
	return pieces
}

func answered(t *testing.T, d engine.AnswerDialect, text string) string {
	t.Helper()
	ctx := runtimes.SampleRequest()
	ctx.Stream = false
	body := `{"type":"message","content":[{"type":"text","text":` + quote(text, 0) + `}]}`
	reply, err := d.TransformResponse(ctx, &engine.State{}, &engine.Reply{Status: 200, Body: []byte(body)})
	if err != nil {
		t.Fatal(err)
	}
	if reply != nil {
		body = string(reply.Body)
	}
	var message struct{ Content []struct{ Text string } }
	if err := json.Unmarshal([]byte(body), &message); err != nil || len(message.Content) != 1 {
		t.Fatalf("%s: %v", body, err)
	}
	return message.Content[0].Text
}

// streamed sends the pieces of a field of a block through a dialect, and returns what comes out.
func streamed(t *testing.T, d engine.AnswerDialect, pieces []string, kind, field string) (out string) {
	t.Helper()
	ctx, state := runtimes.SampleRequest(), &engine.State{}
	send := func(e engine.StreamEvent) {
		events, err := d.TransformEvent(ctx, state, e)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range events {
			var data struct{ Delta map[string]string }
			if err := json.Unmarshal(e.Data, &data); err != nil {
				t.Fatalf("%v in %q", err, e.Data)
			}
			out += data.Delta[field]
		}
	}
	for _, piece := range pieces {
		send(engine.StreamEvent{Name: "content_block_delta", Data: []byte(fmt.Sprintf(
			`{"type":"content_block_delta","index":0,"delta":{"type":%q,%q:%s}}`, kind, field, quote(piece, 1)))})
	}
	send(engine.StreamEvent{Name: "content_block_stop", Data: []byte(`{"type":"content_block_stop","index":0}`)})
	send(engine.StreamEvent{Name: engine.EndEvent, End: true, Complete: true})
	return out
}
