package promptcache_test

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"sluice/engine"
	"sluice/engine/promptcache"
)

var (
	start = time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	here  = uuid.UUID{1}
	there = uuid.UUID{2}
)

// conversation is a body with a system prompt and turns. The last block is marked, as Claude Code does.
func conversation(ttl string, turns ...string) string {
	mark := fmt.Sprintf(`,"cache_control":{"type":"ephemeral"%s}`, ttl)
	var b strings.Builder
	b.WriteString(`{"model":"m","tools":[{"name":"t","input_schema":{}}],"system":[{"type":"text","text":"be good"` + mark + `}],"messages":[`)
	for i, text := range turns {
		if i > 0 {
			b.WriteString(", ")
		}
		role := [...]string{"user", "assistant"}[i%2]
		block := fmt.Sprintf(`{"type":"text","text":%q`, text)
		if i == len(turns)-1 {
			block += mark
		}
		fmt.Fprintf(&b, `{"role":%q, "content":[%s}]}`, role, block)
	}
	return b.String() + `],"max_tokens":5}`
}

type world struct{ *promptcache.Caches }

func (w world) ask(body string, after time.Duration) *promptcache.Forecast {
	return w.Forecast(&engine.RequestContext{Model: "m", Body: []byte(body), Now: start.Add(after)})
}

// wrote tells that an upstream answered and has so many tokens of the body's prompt now.
func (w world) wrote(body string, tokens int64, after time.Duration) {
	f := w.ask(body, after)
	f.ReadTokens(here) // somebody wants to know
	f.Learn(here, engine.Usage{Known: true, CacheCreationInputTokens: tokens}, start.Add(after))
}

func TestAConversationIsWarmWhereItWasAnswered(t *testing.T) {
	w := world{promptcache.New()}
	f := func(what, body string, after time.Duration, at uuid.UUID, least, most int64) {
		t.Helper()
		if got := w.ask(body, after).ReadTokens(at); got < least || got > most {
			t.Errorf("%s: %d tokens, want %d to %d", what, got, least, most)
		}
	}
	f("before anything", conversation("", "hello"), 0, here, 0, 0)
	w.wrote(conversation("", "hello"), 1000, 0)
	f("the next turn, with the mark moved on", conversation("", "hello", "hi", "more"), time.Minute, here, 1000, 1000)
	f("the same elsewhere", conversation("", "hello", "hi", "more"), time.Minute, there, 0, 0)
	f("another conversation, same system prompt", conversation("", "goodbye"), time.Minute, here, 1, 999)
	f("after five minutes", conversation("", "hello", "hi"), 5*time.Minute+time.Second, here, 0, 0)
	f("another model", strings.Replace(conversation("", "hello"), `be good`, `be bad`, 1), time.Minute, here, 0, 0)
}

func TestALongerMarkKeepsLonger(t *testing.T) {
	w := world{promptcache.New()}
	w.wrote(conversation(`,"ttl":"1h"`, "hello"), 1000, 0)
	if got := w.ask(conversation(`,"ttl":"1h"`, "hello", "hi"), 59*time.Minute).ReadTokens(here); got != 1000 {
		t.Errorf("after 59 minutes: %d tokens", got)
	}
	if got := w.ask(conversation(`,"ttl":"1h"`, "hello", "hi"), 61*time.Minute).ReadTokens(here); got != 0 {
		t.Errorf("after 61 minutes: %d tokens", got)
	}
}

func TestAReadKeepsItForAsLongAgain(t *testing.T) {
	w := world{promptcache.New()}
	w.wrote(conversation("", "hello"), 1000, 0)
	next := conversation("", "hello", "hi", "more")
	w.ask(next, 4*time.Minute).Learn(here, engine.Usage{Known: true, CacheReadInputTokens: 1000, CacheCreationInputTokens: 200}, start.Add(4*time.Minute))
	if got := w.ask(conversation("", "hello", "hi"), 8*time.Minute).ReadTokens(here); got != 1000 {
		t.Errorf("the part that was read: %d tokens", got)
	}
	if got := w.ask(conversation("", "hello", "hi", "more", "x"), 8*time.Minute).ReadTokens(here); got != 1200 {
		t.Errorf("the part that was written: %d tokens", got)
	}
}

func TestTheProviderLooksBackTwentyBlocks(t *testing.T) {
	turns := func(n int) []string {
		out := make([]string, n)
		for i := range out {
			out[i] = fmt.Sprint("turn ", i)
		}
		return out
	}
	w := world{promptcache.New()}
	w.wrote(conversation("", turns(10)...), 5000, 0)
	if got := w.ask(conversation("", turns(30)...), time.Second).ReadTokens(here); got != 5000 {
		t.Errorf("20 blocks on: %d tokens", got)
	}
	if got := w.ask(conversation("", turns(31)...), time.Second).ReadTokens(here); got == 5000 || got == 0 {
		t.Errorf("21 blocks on: %d tokens, want those of the system prompt alone", got)
	}
}

func TestThePromptIsMarkedAsAWholeToo(t *testing.T) {
	w := world{promptcache.New()}
	body := `{"model":"m","cache_control":{"type":"ephemeral"},"system":"be good","messages":[{"role":"user","content":"hello"}]}`
	w.wrote(body, 700, 0)
	longer := strings.Replace(body, `"hello"}`, `"hello"},{"role":"assistant","content":"hi"}`, 1)
	if got := w.ask(longer, time.Second).ReadTokens(here); got != 700 {
		t.Errorf("got %d tokens", got)
	}
}

func TestNothingIsLearntFromNothing(t *testing.T) {
	f := func(body string, u engine.Usage) {
		t.Helper()
		w := world{promptcache.New()}
		w.ask(body, 0).ReadTokens(here)
		w.ask(body, 0).Learn(here, u, start)
		if got := w.ask(body, 0).ReadTokens(here); got != 0 {
			t.Errorf("%.40s, %+v: %d tokens", body, u, got)
		}
	}
	written := engine.Usage{Known: true, CacheCreationInputTokens: 10}
	f(conversation("", "hello"), engine.Usage{Known: true, InputTokens: 10})
	f(`{"messages":[{"role":"user","content":"hello"}]}`, written)
	f(`{"messages":[{"role":"user","content":[{"text":"x","cache_control":null}]}]}`, written)
	f("no json", written)
	f("", written)
	f(`[1]`, written)
	f(`{"messages":{"a":[]},"system":7,"tools":"x"}`, written)
}

func TestAConversationIsKnownByItsBeginning(t *testing.T) {
	w := world{promptcache.New()}
	first := w.ask(conversation("", "hello"), 0).Conversation()
	if got := w.ask(conversation("", "hello", "hi", "more"), 0).Conversation(); got != first {
		t.Error("a later turn is another conversation")
	}
	if got := w.ask(conversation("", "goodbye"), 0).Conversation(); got == first {
		t.Error("another first message is the same conversation")
	}
}

// TestATextIsABlock: clients that mark the last message write it as a list of one block, and as a text in the turns after.
func TestATextIsABlock(t *testing.T) {
	w := world{promptcache.New()}
	marked := `{"model":"m","system":"be good","messages":[{"role":"user","content":[{"type":"text","text":"hello","cache_control":{"type":"ephemeral"}}]}]}`
	next := `{"model":"m","system":[{"type":"text","text":"be good"}],"messages":[{"role":"user","content":"hello"},{"role":"assistant","content":"hi"},` +
		`{"role":"user","content":[{"type":"text","text":"more","cache_control":{"type":"ephemeral"}}]}]}`
	w.wrote(marked, 1000, 0)
	if got := w.ask(next, time.Minute).ReadTokens(here); got != 1000 {
		t.Errorf("%d tokens, want the 1000 of the first turn", got)
	}
	if w.ask(marked, 0).Conversation() != w.ask(next, 0).Conversation() {
		t.Error("the next turn is of another conversation")
	}
}

func TestNothingIsLearntForNobody(t *testing.T) {
	w, body := world{promptcache.New()}, conversation("", "hello")
	w.ask(body, 0).Learn(here, engine.Usage{Known: true, CacheCreationInputTokens: 10}, start)
	if got := w.ask(body, 0).ReadTokens(here); got != 0 {
		t.Errorf("%d tokens", got)
	}
}

func TestMemoryIsBounded(t *testing.T) {
	w := world{promptcache.New()}
	kept := conversation("", "kept")
	for i := range 3 << 16 {
		w.wrote(fmt.Sprintf(`{"system":[{"text":"%d","cache_control":{"type":"ephemeral"}}]}`, i), 10, 0)
		if i%(1<<15) == 0 {
			w.wrote(kept, 1000, 0)
		}
	}
	if got := w.ask(`{"system":[{"text":"0","cache_control":{"type":"ephemeral"}}]}`, 0).ReadTokens(here); got != 0 {
		t.Error("the oldest prompt is still there")
	}
	if got := w.ask(kept, 0).ReadTokens(here); got != 1000 {
		t.Error("a prompt that is used again and again was forgotten")
	}
}

// TestABodyOfManyBlocksTakesLittleMemory: a block may have two bytes, and what is known of one has more.
func TestABodyOfManyBlocksTakesLittleMemory(t *testing.T) {
	w := world{promptcache.New()}
	w.wrote(conversation("", "hello"), 1000, 0)
	body := `{"messages":[{"role":"user","content":[0` + strings.Repeat(",0", 4<<20) + `]}]}`
	f := w.ask(body, 0)
	before, after := new(runtime.MemStats), new(runtime.MemStats)
	runtime.ReadMemStats(before)
	if got := f.ReadTokens(here); got != 0 {
		t.Errorf("%d tokens of what nobody has seen", got)
	}
	runtime.ReadMemStats(after)
	if took, most := after.TotalAlloc-before.TotalAlloc, uint64(2*len(body)); took > most {
		t.Errorf("a body of %d bytes took %d more, want at most %d", len(body), took, most)
	}
}

func TestAForecastNobodyAsksReadsNothing(t *testing.T) {
	w := world{promptcache.New()}
	r := &engine.RequestContext{Model: "m", Body: []byte(conversation("", strings.Repeat("x", 1<<20)))}
	if got := testing.AllocsPerRun(100, func() { w.Forecast(r).Forget(true) }); got > 2 {
		t.Errorf("%v allocations", got)
	}
}

func BenchmarkForecast200KB(b *testing.B) {
	w := world{promptcache.New()}
	turns := make([]string, 40)
	for i := range turns {
		turns[i] = strings.Repeat("word ", 1000)
	}
	body := conversation("", turns...)
	w.wrote(body, 50_000, 0)
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		f := w.ask(body, 0)
		for range 10 {
			f.ReadTokens(here)
		}
	}
}
