package prices_test

import (
	"strings"
	"testing"

	"sluice/engine"
	"sluice/engine/prices"
)

func TestAModelIsFoundByWhateverACloudCallsIt(t *testing.T) {
	table := prices.Bundled()
	f := func(model string, want int64) {
		t.Helper()
		got, known := table.Cost(model, engine.Usage{InputTokens: 1_000_000})
		if !known {
			got = -1
		}
		if got != want {
			t.Errorf("a million tokens of %s cost %d micro-dollars, want %d", model, got, want)
		}
	}
	f("claude-sonnet-4-5", 3_000_000)
	f("claude-sonnet-4-5-20250929", 3_000_000)
	f("claude-sonnet-4-5@20250929", 3_000_000)
	f("us.anthropic.claude-sonnet-4-5-20250929-v1:0", 3_000_000)
	f("arn:aws:bedrock:us-east-1:1:inference-profile/us.anthropic.claude-haiku-4-5-20251001-v1:0", 1_000_000)
	f("anthropic.claude-opus-4-6-v1", 5_000_000)
	f("claude-3-5-haiku-latest", 800_000)
	f("claude-opus-4-20250514", 15_000_000)
	f("claude-opus-4-5", 5_000_000)
	f("claude-opus-4-9", -1)
	f("claude-opus-4-5-fast", -1)
	f("not-claude-opus-4-5", -1)
	f("claude-sonnet-4-5-2025", -1)
	f("gpt-5", -1)
	f("", -1)
}

func TestEachKindOfTokenHasItsPrice(t *testing.T) {
	table, err := prices.Parse([]byte("date: 2026-01-01\nmodels:\n" +
		"  m: {input: 1000, output: 20000, cache_write_5m: 300000, cache_write_1h: 4000000, cache_read: 50000000}\n"))
	if err != nil {
		t.Fatal(err)
	}
	u := engine.Usage{InputTokens: 1000, OutputTokens: 2000, CacheCreationInputTokens: 7000, CacheCreation1hTokens: 4000, CacheReadInputTokens: 5000}
	if got, _ := table.Cost("m", u); got != 1+40+3*300+4*4000+5*50000 {
		t.Errorf("got %d", got)
	}
	half, err := prices.Parse([]byte("date: 2026-01-01\nmodels: {m: {input: 1, output: 0, cache_write_5m: 0, cache_write_1h: 0, cache_read: 0}}"))
	if err != nil {
		t.Fatal(err)
	}
	if got, _ := half.Cost("m", engine.Usage{InputTokens: 1}); got != 1 {
		t.Errorf("less than a micro-dollar is %d, want it rounded up to 1", got)
	}
}

func TestNoSumWraps(t *testing.T) {
	table, err := prices.Parse([]byte("date: 2026-01-01\nmodels: {m: {input: 1000000000, output: 1000000000, cache_write_5m: 1000000000, cache_write_1h: 1000000000, cache_read: 1000000000}}"))
	if err != nil {
		t.Fatal(err)
	}
	const n = 1_000_000_000
	u := engine.Usage{InputTokens: n, OutputTokens: n, CacheCreationInputTokens: n, CacheCreation1hTokens: n / 2, CacheReadInputTokens: n}
	if got, _ := table.Cost("m", u); got != 4_000_000_000_000 {
		t.Errorf("got %d", got)
	}
}

func TestAMistakeInATableIsToldWithItsPlace(t *testing.T) {
	f := func(text, want string) {
		t.Helper()
		if _, err := prices.Parse([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q gives %v, want %q", text, err, want)
		}
	}
	f("", "the file is empty")
	f("models: {}", "want a date")
	f("date: yesterday\nmodels: {m: {}}", `date "yesterday", want one such as 2026-05-29`)
	f("date: 2026-01-01\nmodels: {m: {}}\n---\n{}", "want one document")
	f("date: 2026-01-01\nmodels:\n  \"\": {input: 1, output: 0, cache_write_5m: 0, cache_write_1h: 0, cache_read: 0}", "want the id of a model")
	f("date: 2026-01-01\nmodels: [1]", "line 2: cannot unmarshal")
	f("date: 2026-01-01\nmodel: {}", "line 2: field model not found: want a date, and models with their prices")
	want := "models.m: want input, output, cache_write_5m, cache_write_1h and cache_read, each a whole number of micro-dollars from 0"
	f("date: 2026-01-01\nmodels:\n  m: {input: 1}", want)
	f("date: 2026-01-01\nmodels:\n  m: {input: x, output: 0, cache_write_5m: 0, cache_write_1h: 0, cache_read: 0}", "line 3: cannot unmarshal")
	f("date: 2026-01-01\nmodels:\n  m: {input: -1, output: 0, cache_write_5m: 0, cache_write_1h: 0, cache_read: 0}", want)
	f("date: 2026-01-01\nmodels:\n  m: {input: 0.8, output: 0, cache_write_5m: 0, cache_write_1h: 0, cache_read: 0}", want)
	f("date: 2026-01-01\nmodels:\n  m: {input: 9e18, output: 0, cache_write_5m: 0, cache_write_1h: 0, cache_read: 0}", want)
	f("date: 2026-01-01\nmodels:\n  m: {in: 1, output: 0, cache_write_5m: 0, cache_write_1h: 0, cache_read: 0}", want)
	f("date: 2026-01-01\nmodels:\n  m: {}\n  m: {}", "already defined at line 3")
}

func TestAPriceIsFoundWithoutMemory(t *testing.T) {
	table := prices.Bundled()
	if n := testing.AllocsPerRun(100, func() { table.Cost("us.anthropic.claude-sonnet-4-5-20250929-v1:0", engine.Usage{}) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkCost(b *testing.B) {
	table := prices.Bundled()
	for b.Loop() {
		table.Cost("claude-sonnet-4-5-20250929", engine.Usage{InputTokens: 3})
	}
}
