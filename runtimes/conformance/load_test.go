package conformance_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"sluice/engine"
)

// What the compiler takes is bounded by what a file may hold. It is not the script's time, which a busy machine would use up before the
// first line runs. The top level is long enough for the clock to be looked at.
func TestCompilingIsNotTheScriptsTime(t *testing.T) {
	lines := strings.Repeat("    x = (x + 1) * 2\n", 10_000)
	source := written{
		".star": fmt.Sprintf("squares = [i * i for i in range(1000)]\ndef never(x):\n%s\ndef filter(ctx, principal, candidates):\n    return candidates\n", lines),
		".lua":  fmt.Sprintf("for i = 1, 1000 do local square = i * i end\nfunction never(x)\n%send\nfunction filter(ctx, principal, candidates) return candidates end\n", lines),
	}
	for i, lang := range languages() {
		load := func(b engine.Budget) (time.Duration, error) {
			fresh, began := languages()[i], time.Now()
			m := manifest(fresh, source)
			m.Budget = b
			_, err := fresh.InstantiateFilter(m)
			return time.Since(began), err
		}
		least := time.Hour
		for range 3 {
			took, err := load(engine.Budget{})
			if err != nil {
				t.Fatal(err)
			}
			least = min(least, took)
		}
		var err error
		for range 20 { // a busy machine may have no time for the top level; where compiling counted, no attempt would do
			if _, err = load(engine.Budget{Time: least / 2}); err == nil {
				break
			}
		}
		if err != nil {
			t.Errorf("%s: %v", lang.Extension(), err)
		}
	}
}
