package conformance_test

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"sluice/engine"
	"sluice/engine/body"
	"sluice/runtimes"
)

// bundledDialect is a dialect of the scripts folder under the default budgets, but for the time: machines differ.
func bundledDialect(t testing.TB, lang runtimes.Language, name string) engine.AnswerDialect {
	t.Helper()
	d, err := lang.InstantiateDialect(&engine.PluginManifest{Name: name, Artifact: "dialects/" + name + lang.Extension(),
		Files: os.DirFS("../../scripts"), Budget: engine.Budget{Time: time.Minute, Steps: 2_000_000, Memory: 64 << 20, TimePerMiB: time.Second,
			StepsPerMiB: 20_000_000, MemoryPerMiB: 32 << 20}})
	if err != nil {
		t.Fatal(err)
	}
	return d.(engine.AnswerDialect)
}

// conversation is a body of some 200 KB as Claude Code sends it: tools, a long system prompt and turns with calls and their results.
func conversation() string {
	tool := `{"name":"Read%d","description":"%s","input_schema":{"type":"object","properties":{"file_path":{"type":"string","description":"The path."},` +
		`"limit":{"type":"integer"},"offset":{"type":"integer"}},"required":["file_path"]}}`
	turn := `{"role":"assistant","content":[{"type":"text","text":"Let me look."},{"type":"tool_use","id":"toolu_%d","name":"Read1","input":{"file_path":"main.go"}}]},` +
		`{"role":"user","content":[{"type":"tool_result","tool_use_id":"toolu_%d","content":"%s","cache_control":{"type":"ephemeral"}}]}`
	var tools, turns []string
	for i := range 20 {
		tools = append(tools, fmt.Sprintf(tool, i, strings.Repeat("Reads a file. ", 60)))
	}
	for i := range 40 {
		turns = append(turns, fmt.Sprintf(turn, i, i, strings.Repeat(`\tfmt.Println(\"hello\")\n`, 170)))
	}
	return `{"model":"claude-sonnet-4-5","max_tokens":32000,"stream":true,"system":[{"type":"text","text":"` + strings.Repeat("Be brief. ", 800) +
		`"}],"tools":[` + strings.Join(tools, ",") + `],"messages":[{"role":"user","content":"What does main.go do?"},` + strings.Join(turns, ",") + `]}`
}

func BenchmarkOpenAIShape200KB(b *testing.B) { benchmarkShape(b, "openai", conversation()) }

// chat is a conversation of so many short messages.
func chat(messages int) string {
	turn := `{"role":"user","content":"What is there to do, and who does?"},{"role":"assistant","content":"It is done, by whom I do not say"},`
	return `{"model":"m","max_tokens":1024,"messages":[` + strings.TrimSuffix(strings.Repeat(turn, messages/2), ",") + `]}`
}

func BenchmarkOpenAIShape8000Messages(b *testing.B) { benchmarkShape(b, "openai", chat(8000)) }

// What a short message may allocate, with the reading of it: budgets.time is short where a body holds nothing else.
func TestAShortMessageAllocatesLittle(t *testing.T) {
	for _, lang := range languages() {
		d := bundledDialect(t, lang, "openai").(engine.Dialect)
		shape := func(messages int) float64 {
			text := []byte(chat(messages))
			return testing.AllocsPerRun(20, func() {
				r := runtimes.SampleRequest()
				r.Body = text
				if _, err := runtimes.Shape(d, r, runtimes.SamplePrincipal(), candidates()[0]); err != nil {
					t.Fatal(err)
				}
			})
		}
		if got := (shape(300) - shape(100)) / 200; got > 36 {
			t.Errorf("%s: %v allocations, want at most 36", lang.Extension(), got)
		}
	}
}

// BenchmarkRedactShape200KB looks through a body, and through one that is full of addresses.
func BenchmarkRedactShape200KB(b *testing.B) {
	benchmarkShape(b, "redact", conversation())
	benchmarkShape(b, "redact", strings.ReplaceAll(conversation(), "hello", "me@example.org"))
}

// redactedEvents are the pieces of a text, and of the input of a tool, which waits.
var redactedEvents = func() map[string]engine.StreamEvent {
	delta := func(delta string) engine.StreamEvent {
		return engine.StreamEvent{Name: "content_block_delta", Data: []byte(`{"type":"content_block_delta","index":0,"delta":` + delta + `}`)}
	}
	return map[string]engine.StreamEvent{
		"text":    delta(`{"type":"text_delta","text":" of main.go prints it"}`),
		"address": delta(`{"type":"text_delta","text":" me@example.org "}`),
		"input":   delta(`{"type":"input_json_delta","partial_json":""}`),
		"ping":    {Name: "ping", Data: []byte(`{"type":"ping"}`)},
	}
}()

// What a redacted event may allocate: it is most of what it takes.
func TestARedactedEventAllocatesLittle(t *testing.T) {
	most := map[string]float64{".star": 84, ".lua": 62}
	for _, lang := range languages() {
		d, ctx := bundledDialect(t, lang, "redact"), runtimes.SampleRequest()
		for name, event := range redactedEvents {
			state := &engine.State{}
			got := testing.AllocsPerRun(200, func() {
				if _, err := d.TransformEvent(ctx, state, event); err != nil {
					t.Fatal(err)
				}
			})
			if got > most[lang.Extension()] {
				t.Errorf("%s%s: %v allocations, want at most %v", name, lang.Extension(), got, most[lang.Extension()])
			}
		}
	}
}

func BenchmarkRedactEvent(b *testing.B) {
	for _, lang := range languages() {
		for name, event := range redactedEvents {
			b.Run(name+lang.Extension(), func(b *testing.B) {
				d, state, ctx := bundledDialect(b, lang, "redact"), &engine.State{}, runtimes.SampleRequest()
				b.ReportAllocs()
				for b.Loop() {
					if _, err := d.TransformEvent(ctx, state, event); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

func benchmarkShape(b *testing.B, dialect, text string) {
	for _, lang := range languages() {
		b.Run(lang.Extension()[1:], func(b *testing.B) {
			d := bundledDialect(b, lang, dialect)
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			for b.Loop() {
				r := runtimes.SampleRequest()
				r.Body = []byte(text)
				if _, err := runtimes.Shape(d.(engine.Dialect), r, runtimes.SamplePrincipal(), candidates()[0]); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// chatPieces are a piece that begins a block, and one of those that follow: of a text, and of a call.
var chatPieces = func() map[string][2]string {
	const head = `{"id":"chatcmpl-1","object":"chat.completion.chunk","created":1768478400,"model":"gpt-5","choices":[{"index":0,"delta":`
	const tail = `,"logprobs":null,"finish_reason":null}]}`
	return map[string][2]string{
		"text": {head + `{"role":"assistant","content":"So"}` + tail, head + `{"content":"It prints"}` + tail},
		"call": {head + `{"tool_calls":[{"index":0,"id":"a","type":"function","function":{"name":"Read","arguments":""}}]}` + tail,
			head + `{"tool_calls":[{"index":0,"function":{"arguments":"{\"file"}}]}` + tail},
	}
}()

// begun is a stream whose first piece was translated; it translates one that follows.
func begun(t testing.TB, lang runtimes.Language, pieces [2]string) func() {
	t.Helper()
	d, state, ctx := bundledDialect(t, lang, "openai"), &engine.State{}, runtimes.SampleRequest()
	piece := func(data string) {
		if _, err := d.TransformEvent(ctx, state, engine.StreamEvent{Data: []byte(data)}); err != nil {
			t.Fatal(err)
		}
	}
	piece(pieces[0])
	return func() { piece(pieces[1]) }
}

// TestTinyBlocksAreRefusedBeforeTheyOverrunABudget: a client that sends nothing but blocks of a few bytes gets an error, and does not have
// the script put aside.
func TestTinyBlocksAreRefusedBeforeTheyOverrunABudget(t *testing.T) {
	user := func(block string) [3]string {
		return [3]string{`{"model":"m","messages":[{"role":"user","content":[`, block, `]}]}`}
	}
	shapes := map[string][3]string{
		"texts":        user(`{"type":"text","text":"a"}`),
		"messages":     {`{"model":"m","messages":[`, `{"role":"user","content":"a"},{"role":"assistant","content":"b"}`, `]}`},
		"calls":        {`{"model":"m","messages":[{"role":"assistant","content":[`, `{"type":"tool_use","id":"t","name":"N","input":{}}`, `]}]}`},
		"results":      user(`{"type":"tool_result","tool_use_id":"t","content":"a"}`),
		"long results": user(`{"type":"tool_result","tool_use_id":"t","content":[{"type":"text","text":""}]}`),
		"odd":          user(`{"type":""}`),
		"empty":        user(`{}`),
		"lists":        user(`[]`),
		"numbers":      user(`1`),
		"tools":        {`{"model":"m","messages":[],"tools":[`, `{"name":"a","input_schema":{}}`, `]}`},
	}
	for what, parts := range shapes {
		for _, most := range []int{30_000, 50_000} { // of less than a MiB, and of two
			text := strings.Repeat(" ", (most-30_000)/10_000<<20) + parts[0] + parts[1]
			each := body.Count([]byte(parts[0]+parts[1]+","+parts[1]+parts[2])) - body.Count([]byte(parts[0]+parts[1]+parts[2]))
			fits := (most - body.Count([]byte(text+parts[2]))) / each
			for _, lang := range languages() {
				d := bundledDialect(t, lang, "openai").(engine.Dialect)
				ask := func(n int) error {
					r := runtimes.SampleRequest()
					r.Body = []byte(text + strings.Repeat(","+parts[1], n) + parts[2])
					_, err := runtimes.Shape(d, r, runtimes.SamplePrincipal(), candidates()[0])
					return err
				}
				if err := ask(fits); err != nil {
					t.Errorf("%s%s, %d values: %v", what, lang.Extension(), most, err)
				}
				if err := ask(fits + 1); err == nil || !strings.Contains(err.Error(), fmt.Sprintf(" may hold %d values to be translated, got ", most)) {
					t.Errorf("%s%s, more than %d values: got %v", what, lang.Extension(), most, err)
				}
				if err := ask(1_000_000 / len(parts[1])); err != nil && strings.Contains(err.Error(), "budgets.") {
					t.Errorf("%s%s, a million bytes: got %v", what, lang.Extension(), err)
				}
			}
		}
	}
}

func BenchmarkOpenAIEvent(b *testing.B) {
	for _, lang := range languages() {
		for name, pieces := range chatPieces {
			b.Run(name+lang.Extension(), func(b *testing.B) {
				translate := begun(b, lang, pieces)
				b.ReportAllocs()
				for b.Loop() {
					translate()
				}
			})
		}
	}
}

// What a piece of a stream may allocate: most of it is the state that is kept for the next one, and the texts.
func TestAPieceOfAChatAllocatesLittle(t *testing.T) {
	most := map[string]float64{".star": 48, ".lua": 24}
	for _, lang := range languages() {
		for name, pieces := range chatPieces {
			if got := testing.AllocsPerRun(200, begun(t, lang, pieces)); got > most[lang.Extension()] {
				t.Errorf("%s%s: %v allocations, want at most %v", name, lang.Extension(), got, most[lang.Extension()])
			}
		}
	}
}
