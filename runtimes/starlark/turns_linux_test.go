package starlark_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"sluice/engine"
)

// Where each insertion into a table takes long, since all its keys have one hash, others run after a few of them.
func TestInsertionsThatTakeLongLetOthersRun(t *testing.T) {
	const least = 100
	for _, make := range []string{"set([i << 32 for i in range(3000)])", "dict([(i << 32, i) for i in range(3000)])"} {
		before := writes(t)
		err := attack("def filter(ctx, principal, candidates):\n    "+make+"\n    return candidates\n", engine.Budget{})
		if n := writes(t) - before; err != nil || n < least {
			t.Errorf("%s: %v, others ran %d times, want at least %d", make, err, n, least)
		}
	}
}

// writes is how many writes this process has made: one for each time that a call let others run.
func writes(t *testing.T) (n int) {
	t.Helper()
	text, err := os.ReadFile("/proc/self/io")
	if err != nil {
		t.Fatal(err)
	}
	_, after, _ := strings.Cut(string(text), "syscw: ")
	if _, err := fmt.Sscan(after, &n); err != nil {
		t.Fatalf("%v in %q", err, text)
	}
	return n
}
