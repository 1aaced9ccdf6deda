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
	for _, lang := range languages() {
		m := manifest(lang, source)
		m.Budget = engine.Budget{Time: 15 * time.Millisecond}
		if _, err := lang.InstantiateFilter(m); err != nil {
			t.Errorf("%s: %v", lang.Extension(), err)
		}
	}
}
