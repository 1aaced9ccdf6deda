package conformance_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"testing/fstest"

	"sluice/engine"
	"sluice/runtimes"
)

// told sends the pieces of a text through a dialect, as event makes events of them, and returns the text that comes out.
func told(t *testing.T, d engine.AnswerDialect, pieces []string, event func(piece string) string) string {
	t.Helper()
	ctx, state, out := runtimes.SampleRequest(), &engine.State{}, ""
	send := func(e engine.StreamEvent) {
		events, err := d.TransformEvent(ctx, state, e)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range events {
			var data struct{ Delta struct{ Text string } }
			if err := json.Unmarshal(e.Data, &data); err != nil {
				t.Fatalf("%v in %q", err, e.Data)
			}
			out += data.Delta.Text
		}
	}
	for _, piece := range pieces {
		send(engine.StreamEvent{Name: "content_block_delta", Data: []byte(event(piece))})
	}
	send(engine.StreamEvent{Name: engine.EndEvent, End: true, Complete: true})
	return out
}

// A text that comes in pieces, cut anywhere, is the one that comes whole, and holds no secret.
func TestRedactedTextsAreTheSameHoweverTheyCome(t *testing.T) {
	words := []string{"the key", "sk-ant-0123456789abcdef", "me@example.org", "or@", "sk-", "me@bloſs.org", "me@example.Korg", "me@example.org,you@example.org", "\n", "Grüße", "😀", "AKIAABCDEFGHIJKLMNOP",
		"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc", "x=sk-ant-0123456789abcdef;", "\"quoted\\"}
	delta := func(piece string) string {
		text, _ := json.Marshal(piece) // a string always has JSON
		return fmt.Sprintf(`{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":%s}}`, text)
	}
	for _, lang := range languages() {
		d := bundledDialect(t, lang, "redact")
		r := rand.New(rand.NewPCG(1, 2))
		for range 100 {
			var text string
			for range 1 + r.IntN(6) {
				text += words[r.IntN(len(words))] + []string{" ", "", ". "}[r.IntN(3)]
			}
			runes := []rune(text)
			var pieces []string
			for len(runes) > 0 {
				n := 1 + r.IntN(min(9, len(runes)))
				pieces, runes = append(pieces, string(runes[:n])), runes[n:]
			}
			whole := told(t, d, []string{text}, delta)
			if got := told(t, d, pieces, delta); got != whole || strings.Contains(got, "0123456789") {
				t.Errorf("%s: %q in pieces %q: got %q, want %q", lang.Extension(), text, pieces, got, whole)
			}
		}
	}
}

// A delta that needs no decoding comes out as one that does: a space before it is what makes the difference.
func TestPlainDeltasAreTheSameDecoded(t *testing.T) {
	texts := []string{"the key", " sk-ant-0123456789abcdef", "sk-", "ant-0123", "456789abcdef ", "me@example.org,", "Grüße ", "\x7f", "<a&b>\u2028", "\xff", "back\\\\", "\\u0040 ",
		"\\n", `\"`, "", "word", "\t"}
	r := rand.New(rand.NewPCG(3, 4))
	for range 300 {
		var events []string
		for range 1 + r.IntN(8) {
			field := []string{"text", "text", "thinking"}[r.IntN(3)]
			kind := []string{field, field, field, "thinking"}[r.IntN(4)] + "_delta"
			index := []string{"0", "0", "1", "10"}[r.IntN(4)]
			if r.IntN(60) == 0 {
				index = []string{"01", "1000000", "-1", "0.0"}[r.IntN(4)]
			}
			events = append(events, fmt.Sprintf(`{"type":"content_block_delta","index":%s,"delta":{"type":"%s","%s":"%s"}%s}`,
				index, kind, field, texts[r.IntN(len(texts))], []string{"", "   "}[r.IntN(2)]))
			if r.IntN(6) == 0 {
				events = append(events, `{"type":"content_block_stop","index":0}`)
			}
		}
		var want string
		for _, lang := range languages() {
			for _, space := range []string{"", " "} {
				got := sentOf(bundledDialect(t, lang, "redact"), events, space)
				if want == "" {
					want = got
				}
				if got != want {
					t.Fatalf("%s: %q after %q:\ngot  %s\nwant %s", lang.Extension(), events, space, got, want)
				}
			}
		}
	}
}

// sentOf is what a dialect makes of the data of events, each of which begins with a space or not, and of their end.
func sentOf(d engine.AnswerDialect, events []string, space string) string {
	var out strings.Builder
	state := &engine.State{}
	out.WriteString("sent:")
	for _, data := range append(events, "") {
		e := engine.StreamEvent{Name: "content_block_delta", Data: []byte(space + data)}
		if strings.Contains(data, "_stop") {
			e.Name = "content_block_stop"
			e.Data = []byte(data)
		}
		if data == "" {
			e = engine.StreamEvent{Name: engine.EndEvent, End: true, Complete: true}
		}
		sent, err := d.TransformEvent(runtimes.SampleRequest(), state, e)
		if err != nil {
			return out.String() + "an error"
		}
		for _, e := range sent {
			fmt.Fprintf(&out, "\n%s %s", e.Name, e.Data)
		}
	}
	return out.String()
}

func TestALongWordIsRefused(t *testing.T) {
	for _, lang := range languages() {
		d := bundledDialect(t, lang, "redact")
		data := `{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"` + strings.Repeat("a", 64<<10+1) + `"}}`
		_, err := d.TransformEvent(runtimes.SampleRequest(), &engine.State{}, engine.StreamEvent{Name: "content_block_delta", Data: []byte(data)})
		if err == nil || !strings.Contains(err.Error(), "a word is longer than 65536 bytes") {
			t.Errorf("%s: got %v", lang.Extension(), err)
		}
	}
}

// wrapping are the lines of redact that name the dialect it wraps, and what they are for OpenAI's.
var wrapping = map[string][2]string{
	".star": {"base_event, base_response = None, None\n", "load(\"dialects/openai.star\", base_event = \"transform_event\", base_response = \"transform_response\")\n"},
	".lua":  {`require("dialects.anthropic")`, `require("dialects.openai")`},
}

func TestRedactWrapsADialectThatTranslates(t *testing.T) {
	for _, lang := range languages() {
		name := "dialects/redact" + lang.Extension()
		files := fstest.MapFS{}
		stems := []string{"dialects/redact", "dialects/anthropic", "dialects/openai", "lib/call_ids", "lib/given", "lib/openai_request", "lib/redact"}
		for _, stem := range stems {
			path := stem + lang.Extension()
			src, err := os.ReadFile("../../scripts/" + path)
			if err != nil {
				t.Fatal(err)
			}
			files[path] = &fstest.MapFile{Data: src}
		}
		lines := wrapping[lang.Extension()]
		text := strings.Replace(string(files[name].Data), lines[0], lines[1], 1)
		files[name].Data = []byte(strings.Replace(text, `load("dialects/anthropic.star"`, `load("dialects/openai.star"`, 1))
		m := manifest(lang, written{})
		m.Artifact, m.Files = name, files
		m.Budget.Steps = 2_000_000
		made, err := lang.InstantiateDialect(m)
		if err != nil {
			t.Fatal(err)
		}
		d := made.(engine.AnswerDialect)
		got := told(t, d, []string{"the key sk-ant-01234", "56789abcdef", " is"}, func(piece string) string {
			return fmt.Sprintf(`{"choices":[{"index":0,"delta":{"content":%q},"finish_reason":null}]}`, piece)
		})
		if got != "the key [key] is" {
			t.Errorf("%s: a stream: got %q", lang.Extension(), got)
		}
		asked := runtimes.SampleRequest()
		asked.Stream = false
		reply, err := d.TransformResponse(asked, &engine.State{}, &engine.Reply{Status: 200,
			Body: []byte(`{"choices":[{"message":{"content":"write to me@example.org"},"finish_reason":"stop"}]}`)})
		if err != nil || !strings.Contains(string(reply.Body), `"content":[{"type":"text","text":"write to [email]"}]`) {
			t.Errorf("%s: an answer: got %s, %v", lang.Extension(), reply.Body, err)
		}
	}
}

func TestALongConversationIsWithinTheBudgets(t *testing.T) {
	for _, text := range []string{conversation(), strings.ReplaceAll(conversation(), "hello", "me@example.org")} {
		for _, name := range []string{"openai", "redact"} {
			for _, lang := range languages() {
				r := runtimes.SampleRequest()
				r.Body = []byte(text)
				sent, err := runtimes.Shape(bundledDialect(t, lang, name).(engine.Dialect), r, runtimes.SamplePrincipal(), candidates()[0])
				if err != nil {
					t.Errorf("%s%s: %v", name, lang.Extension(), err)
				} else if body := string(sent.Body()); name == "redact" && strings.Contains(body, "me@example.org") {
					t.Errorf("%s%s: an address is left", name, lang.Extension())
				}
			}
		}
	}
}
