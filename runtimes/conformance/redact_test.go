package conformance_test

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"math/rand/v2"
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
		"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc", "x=sk-ant-0123456789abcdef;", "\"quoted\\",
		`{"a":"\nme@example.org\u00e9me@example.org"}`}
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

// wrapping is redact with its first lines edited to wrap another bundled dialect, beside all other bundled scripts.
func wrapping(t *testing.T, lang runtimes.Language, dialect string) *engine.PluginManifest {
	t.Helper()
	m := manifest(lang, nil)
	m.Artifact, m.Budget.Steps = "dialects/redact"+lang.Extension(), 2_000_000
	files := fstest.MapFS{}
	paths, _ := fs.Glob(bundledScripts, "*/*"+lang.Extension())
	for _, path := range paths {
		src, err := fs.ReadFile(bundledScripts, path)
		if err != nil {
			t.Fatal(err)
		}
		files[path] = &fstest.MapFile{Data: src}
	}
	lines := []string{`load("dialects/anthropic.star"`, `load("dialects/` + dialect + `.star"`, `require("dialects.anthropic")`, `require("dialects.` + dialect + `")`}
	if dialect == "openai" {
		lines = append(lines, "base_event, base_response = None, None\n", `load("dialects/openai.star", base_event = "transform_event", base_response = "transform_response")`+"\n")
	}
	text := strings.NewReplacer(lines...).Replace(string(files[m.Artifact].Data))
	files[m.Artifact].Data, m.Files = []byte(text), files
	return m
}

func TestRedactWrapsAnyBundledDialect(t *testing.T) {
	for _, dialect := range []string{"anthropic", "bedrock", "bedrock_mantle", "openai", "vertex"} {
		for _, lang := range languages() {
			t.Run(dialect+lang.Extension(), func(t *testing.T) {
				m := wrapping(t, lang, dialect)
				a := runtimes.Admission{Language: lang, Files: m.Files, Path: m.Artifact, Budget: m.Budget,
					Bindings: []runtimes.Binding{{Slot: engine.SlotDialect, Manifest: m}}}
				if got := a.Admit(); len(got.Errors) > 0 || got.Tests != 2 {
					t.Fatalf("%d tests passed, errors %v", got.Tests, got.Errors)
				}
				made, err := lang.InstantiateDialect(m)
				if err != nil {
					t.Fatal(err)
				}
				asksAndAnswers(t, made, dialect)
			})
		}
	}
}

// asksAndAnswers sends a secret through a redacting dialect in a request, a stream, an answer and an error.
func asksAndAnswers(t *testing.T, d engine.Dialect, dialect string) {
	t.Helper()
	asked := runtimes.SampleRequest()
	asked.Body = []byte(`{"model":"claude-sonnet-4-5","max_tokens":9,"messages":[{"role":"user","content":"I am me@example.org"}]}`)
	sent, err := runtimes.Shape(d, asked, runtimes.SamplePrincipal(), candidates()[0])
	if err != nil || !strings.Contains(string(sent.Body()), "I am [email]") {
		t.Errorf("a request: got %v, %v", sent, err)
	}
	answering := d.(engine.AnswerDialect)
	delta := `{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":%q}}`
	answer := `{"type":"message","role":"assistant","content":[{"type":"text","text":"write to me@example.org"}]}`
	if dialect == "openai" {
		delta = `{"choices":[{"index":0,"delta":{"content":%q},"finish_reason":null}]}`
		answer = `{"choices":[{"message":{"content":"write to me@example.org"},"finish_reason":"stop"}]}`
	}
	if got := told(t, answering, []string{"the key sk-ant-01234", "56789abcdef", " is"}, func(piece string) string { return fmt.Sprintf(delta, piece) }); got != "the key [key] is" {
		t.Errorf("a stream: got %q", got)
	}
	asked.Stream = false
	reply, err := answering.TransformResponse(asked, &engine.State{}, &engine.Reply{Status: 200, Body: []byte(answer)})
	if err != nil || !strings.Contains(string(reply.Body), `"content":[{"type":"text","text":"write to [email]"}]`) {
		t.Errorf("an answer: got %v, %v", reply, err)
	}
	failed, err := d.NormalizeError(400, engine.Headers{{Name: "x-amzn-errortype", Value: "ThrottlingException"}}, []byte(`{"message":"slow, me@example.org"}`))
	switch {
	case err != nil || failed == nil || strings.Contains(string(failed.Body), "me@example.org"):
		t.Errorf("an error: got %v, %v", failed, err)
	case strings.HasPrefix(dialect, "bedrock") && (failed.Status != 429 || !strings.Contains(string(failed.Body), `"slow, [email]"`)):
		t.Errorf("an error that a header names: got %d %s", failed.Status, failed.Body)
	}
	if counts := d.(engine.PathDialect).Serves("/v1/messages/count_tokens"); counts != (dialect != "openai") {
		t.Errorf("serves count_tokens: %v", counts)
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
