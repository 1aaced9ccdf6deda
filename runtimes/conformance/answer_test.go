package conformance_test

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"sluice/engine"
	"sluice/runtimes"
)

// counting keeps a count of each stream, and tries to keep a hold on the state of another one.
var counting = written{
	".star": `
def transform_event(ctx, event, state):
    state["n"] = state.get("n", 0) + 1
    state.setdefault("seen", []).append(event.data)
    return [{"name": "n", "data": "%d %s" % (state["n"], "".join(state["seen"]))}]
`,
	".lua": `
local last = {}
function transform_event(ctx, event, state)
  last.n = (last.n or 0) + 1
  if last.seen then last.seen[#last.seen + 1] = "leak" end
  last = state
  state.n = (state.n or 0) + 1
  state.seen = state.seen or {}
  state.seen[#state.seen + 1] = event.data
  return { { name = "n", data = state.n .. " " .. table.concat(state.seen) } }
end
`}

func answering(t testing.TB, lang runtimes.Language, source written) engine.AnswerDialect {
	t.Helper()
	m := manifest(lang, source)
	m.Budget.Steps = 2_000_000
	d, err := lang.InstantiateDialect(m)
	if err != nil {
		t.Fatal(err)
	}
	return d.(engine.AnswerDialect)
}

func TestTheStateOfAStreamIsItsOwn(t *testing.T) {
	const workers, streams, events = 8, 40, 12
	for _, lang := range languages() {
		d := answering(t, lang, counting)
		var wg sync.WaitGroup
		for w := range workers {
			wg.Go(func() {
				states := make([]engine.State, streams)
				for n := range events {
					for i := range states {
						data := fmt.Sprintf("%d.%d,", w, i)
						out, err := d.TransformEvent(runtimes.SampleRequest(), &states[i], engine.StreamEvent{Name: "e", Data: []byte(data)})
						want := fmt.Sprintf("%d %s", n+1, strings.Repeat(data, n+1))
						if err != nil || len(out) != 1 || string(out[0].Data) != want {
							t.Errorf("%s: got %v, %v, want %q", lang.Extension(), out, err, want)
							return
						}
					}
				}
			})
		}
		wg.Wait()
	}
}

func TestWhatTransformsAnswersIsTold(t *testing.T) {
	for _, lang := range languages() {
		f := func(source written, responses, events bool) {
			t.Helper()
			r, e := answering(t, lang, source).Transforms()
			if r != responses || e != events {
				t.Errorf("%s: got %v, %v, want %v, %v", lang.Extension(), r, e, responses, events)
			}
		}
		f(counting, false, true)
		f(written{".star": "def transform_response(ctx, response):\n    pass\n", ".lua": "function transform_response(ctx, response) end"}, true, false)
		f(written{".star": "def shape(ctx):\n    pass\n", ".lua": "function shape(ctx) end"}, false, false)
	}
}

// translator is what a dialect of another wire does with each event: it decodes it, looks into its state and writes a new one.
var translator = written{
	".star": `
def shape(ctx, upstream, principal, request):
    request.state.update({"model": ctx.model, "index": 0, "tools": {}, "usage": {"input_tokens": 0, "output_tokens": 0}, "open": "text"})

def transform_event(ctx, event, state):
    chunk = event.json()
    choice = chunk["choices"][0]
    text = choice["delta"].get("content")
    state["usage"]["output_tokens"] += 1
    if not text:
        return []
    return [{"name": "content_block_delta", "data": {"type": "content_block_delta", "index": state["index"],
             "delta": {"type": "text_delta", "text": text}}}]
`,
	".lua": `
function shape(ctx, upstream, principal, request)
  local s = request.state
  s.model, s.index, s.tools, s.usage, s.open = ctx.model, 0, {}, { input_tokens = 0, output_tokens = 0 }, "text"
end

function transform_event(ctx, event, state)
  local chunk = event:json()
  local choice = chunk.choices[1]
  local text = choice.delta.content
  state.usage.output_tokens = state.usage.output_tokens + 1
  if not text then return {} end
  return { { name = "content_block_delta", data = { type = "content_block_delta", index = state.index,
             delta = { type = "text_delta", text = text } } } }
end
`}

// unchanged looks at the name alone, as a dialect does that has nothing to do with most events.
var unchanged = written{
	".star": "def transform_event(ctx, event, state):\n    if event.name == \"message_stop\":\n        return []\n",
	".lua":  "function transform_event(ctx, event, state)\n  if event.name == \"message_stop\" then return {} end\nend\n",
}

func benchmarkEvents(b *testing.B, source written, e engine.StreamEvent) {
	for _, lang := range languages() {
		b.Run(lang.Extension()[1:], func(b *testing.B) {
			d := answering(b, lang, source)
			state := &engine.State{}
			if _, shaped := source[".star"]; shaped && strings.Contains(source[".star"], "shape") {
				sent, err := runtimes.Shape(d.(engine.Dialect), runtimes.SampleRequest(), runtimes.SamplePrincipal(), candidates()[0])
				if err != nil {
					b.Fatal(err)
				}
				state = sent.State
			}
			ctx := runtimes.SampleRequest()
			b.ReportAllocs()
			for b.Loop() {
				if _, err := d.TransformEvent(ctx, state, e); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkTransformEvent(b *testing.B) {
	benchmarkEvents(b, translator, engine.StreamEvent{Data: []byte(`{"id":"chatcmpl-1","object":"chat.completion.chunk","created":1768478400,"model":"gpt-5","choices":[{"index":0,"delta":{"content":"It prints"},"finish_reason":null}]}`)})
}

func BenchmarkTransformEventUnchanged(b *testing.B) {
	benchmarkEvents(b, unchanged, engine.StreamEvent{Name: "content_block_delta",
		Data: []byte(`{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"It prints"}}`)})
}

// BenchmarkShape200KB shapes a request with a long conversation and forty tools for a cloud.
func BenchmarkShape200KB(b *testing.B) {
	tool := `{"name":"Read","description":"` + strings.Repeat("Reads a file. ", 60) + `","input_schema":{"type":"object"},"strict":true},`
	turn := `{"role":"user","content":[{"type":"text","text":"` + strings.Repeat("What does main.go do? ", 300) + `"}]},`
	text := `{"model":"claude-sonnet-4-5","max_tokens":32000,"stream":true,"context_management":{},"tools":[` +
		strings.TrimSuffix(strings.Repeat(tool, 40), ",") + `],"messages":[` + strings.Repeat(turn, 24) + `{"role":"system","content":"The date is known."}]}`
	for _, name := range []string{"bedrock", "vertex"} {
		for _, lang := range languages() {
			b.Run(name+lang.Extension(), func(b *testing.B) {
				m := &engine.PluginManifest{Name: name, Artifact: "dialects/" + name + lang.Extension(), Files: os.DirFS("../../scripts"),
					Budget: engine.Budget{Time: time.Second, Steps: 2_000_000, TimePerMiB: time.Second, StepsPerMiB: 20_000_000}}
				d, err := lang.InstantiateDialect(m)
				if err != nil {
					b.Fatal(err)
				}
				b.SetBytes(int64(len(text)))
				b.ReportAllocs()
				for b.Loop() {
					r := runtimes.SampleRequest()
					r.Body = []byte(text)
					if _, err := runtimes.Shape(d, r, runtimes.SamplePrincipal(), candidates()[0]); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
