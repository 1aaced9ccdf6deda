package conformance_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"sluice/engine"
	"sluice/runtimes"
)

const planted = "sk-ant-0123456789abcdef"

// spelled is a text as JSON may write it: some of its letters are escaped.
func (c chance) spelled(text string) string {
	quoted, _ := json.Marshal(text) // a text always has JSON
	out := ""
	for _, r := range string(quoted) {
		if c.one(6) && (r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r == '-') && !strings.Contains(string(quoted), `\`) {
			out += fmt.Sprintf("\\u%04x", r)
		} else {
			out += string(r)
		}
	}
	return out
}

// document is JSON with the secret somewhere in it: in a text or a key, in JSON within a text, behind a key that is there twice.
func (c chance) document(depth int) string {
	secret := c.of("", "x ", "\"", "é", "\n") + planted + c.of("", " x", ".", "\"")
	switch n := c.IntN(6); {
	case n == 0 || depth == 0:
		return c.spelled(secret)
	case n == 1:
		return "{" + c.spelled(secret) + `: 1.50, "b": [` + c.spelled(secret) + "]}"
	case n == 2:
		return `{"a":` + c.spelled(secret) + `,"a":` + c.document(depth-1) + "}"
	case n == 3:
		return c.spelled(`{"in":` + c.spelled(planted) + "}")
	case n == 4:
		return "[1e3," + c.document(depth-1) + ",null]"
	}
	return `{"type":"x","content":[],"id":` + c.document(depth-1) + "}"
}

// revealed is a text with all that a reader of JSON, at whatever depth, reads as something else.
func revealed(text string) string {
	for range 3 {
		var out strings.Builder
		for i := 0; i < len(text); i++ {
			var r rune
			if n, _ := fmt.Sscanf(text[i:], `\u%04x`, &r); n == 1 && len(text) >= i+6 && r < 128 {
				out.WriteRune(r)
				i += 5
			} else if text[i] == '\\' && i+1 < len(text) && text[i+1] == '\\' {
				i++
				out.WriteByte('\\')
			} else {
				out.WriteByte(text[i])
			}
		}
		text = out.String()
	}
	return text
}

func TestNoBodyLeaksWhereverTheSecretIs(t *testing.T) {
	for _, lang := range languages() {
		d := bundledDialect(t, lang, "redact")
		c, direct := chance{rand.New(rand.NewPCG(3, 4))}, candidates()[1]
		for range 200 {
			text := c.of("", "\ufeff", " ", "<p>") + c.document(4) + c.of("", "\n", `{"cut`)
			r := runtimes.SampleRequest()
			r.Body = []byte(text)
			r.Model = "" // so that the dialect below has nothing to set, in what may be no object: no cloud takes that
			sent, err := runtimes.Shape(d.(engine.Dialect), r, runtimes.SamplePrincipal(), direct)
			if err != nil {
				t.Fatalf("%s: %s: %v", lang.Extension(), text, err)
			}
			reply, err := d.TransformResponse(runtimes.SampleRequest(), &engine.State{}, &engine.Reply{Status: 200, Body: []byte(text)})
			if err != nil {
				t.Fatalf("%s: %s: %v", lang.Extension(), text, err)
			}
			failed, err := d.(engine.Dialect).NormalizeError(0, nil, []byte(text))
			if err != nil {
				t.Fatalf("%s: %s: %v", lang.Extension(), text, err)
			}
			for _, got := range []string{string(sent.Body()), string(reply.Body), string(failed.Body)} {
				if strings.Contains(revealed(got), planted) || json.Valid([]byte(text)) && !json.Valid([]byte(got)) {
					t.Fatalf("%s: %s: got %s", lang.Extension(), text, got)
				}
			}
		}
	}
}

// A stream of blocks that are open at once, each field of which holds the secret, cut anywhere: at its beginning, in its deltas, within an
// escape. What a client puts together holds it nowhere, and neither does any frame.
func TestNoStreamLeaksHoweverItIsCut(t *testing.T) {
	for _, lang := range languages() {
		d := bundledDialect(t, lang, "redact")
		c := chance{rand.New(rand.NewPCG(7, 8))}
		for range 150 {
			events := c.leakingStream()
			state, ctx, together := &engine.State{}, runtimes.SampleRequest(), map[string]string{}
			for _, e := range append(events, engine.StreamEvent{Name: engine.EndEvent, End: true, Complete: true}) {
				out, err := d.TransformEvent(ctx, state, e)
				if err != nil {
					t.Fatalf("%s: %s: %v", lang.Extension(), e.Data, err)
				}
				for _, o := range out {
					if strings.Contains(revealed(o.Name+string(o.Data)), planted) {
						t.Fatalf("%s: got %s", lang.Extension(), o.Data)
					}
					putTogether(t, together, o.Data)
				}
			}
			for where, text := range together {
				if strings.Contains(revealed(text), planted) {
					t.Fatalf("%s: %s: got %s of %v", lang.Extension(), where, text, events)
				}
				if strings.HasSuffix(where, "partial_json") && !json.Valid([]byte(text)) {
					t.Fatalf("%s: the input %s is no JSON", lang.Extension(), text)
				}
			}
			if len(together) == 0 {
				t.Fatalf("%s: nothing came of %v", lang.Extension(), events)
			}
		}
	}
}

// putTogether adds what an event says of a block to what was said of it before.
func putTogether(t *testing.T, together map[string]string, data []byte) {
	t.Helper()
	var e struct {
		Index        int
		Delta        map[string]any
		ContentBlock map[string]any `json:"content_block"`
	}
	if err := json.Unmarshal(data, &e); err != nil {
		t.Fatalf("%s: %v", data, err)
	}
	for _, part := range []map[string]any{e.ContentBlock, e.Delta} {
		for field, v := range part {
			if text, ok := v.(string); ok && field != "type" {
				together[fmt.Sprintf("%d %s", e.Index, field)] += text
			}
		}
	}
}

// leakingStream is two blocks whose events go past each other.
func (c chance) leakingStream() (out []engine.StreamEvent) {
	var lanes [2][]engine.StreamEvent
	for i := range lanes {
		field, kind := c.of("text", "thinking", "partial_json", "signature", "odd"), ""
		kind = map[string]string{"partial_json": "input_json_delta"}[field]
		if kind == "" {
			kind = field + "_delta"
		}
		text := c.of("", "a ", "é ") + planted + c.of("", " b", "."+planted)
		if field == "partial_json" {
			text = `{"a\n":` + c.spelled(text) + `,"b":` + c.spelled("x\n"+planted) + "}"
		}
		event := func(name, format string, args ...any) {
			data := fmt.Sprintf(`{"type":%q,"index":%d`+format+"}", append([]any{name, i}, args...)...)
			if c.one(6) {
				name = ""
			}
			lanes[i] = append(lanes[i], engine.StreamEvent{Name: name, Data: []byte(data)})
		}
		begun := 0
		if field != "partial_json" && field != "odd" {
			begun = c.IntN(len(text))
		}
		for !strings.HasPrefix(text[begun:], "s") && begun > 0 && text[begun] >= 128 { // between two runes
			begun--
		}
		event("content_block_start", `,"content_block":{"type":"x",%q:%s}`, field, c.spelled(text[:begun]))
		for rest := []rune(text[begun:]); len(rest) > 0; {
			n := 1 + c.IntN(min(9, len(rest)))
			event("content_block_delta", `,"delta":{"type":%q,%q:%s}`, kind, field, c.spelled(string(rest[:n])))
			rest = rest[n:]
		}
		event("content_block_stop", "")
	}
	for len(lanes[0])+len(lanes[1]) > 0 {
		if i := c.IntN(2); len(lanes[i]) > 0 {
			out, lanes[i] = append(out, lanes[i][0]), lanes[i][1:]
		}
	}
	return append(out, engine.StreamEvent{Name: "message_stop", Data: []byte(`{"type":"message_stop"}`)})
}
