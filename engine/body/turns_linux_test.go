package body_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"sluice/engine/body"
)

// writes is how many writes this process has made: one for each time that it let others run.
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

func TestMovesOfMegabytesLetOthersRun(t *testing.T) {
	const size, least = 16 << 20, 15
	text := strings.Repeat("x", size)
	full := []byte(text)[:size:size]
	words := make([]string, size/16)
	for name, move := range map[string]func(){
		"AppendText":   func() { body.AppendText(nil, text) },
		"Append":       func() { body.Append(nil, words) },
		"Grow":         func() { body.Grow(full, 1) },
		"AppendString": func() { body.AppendString(nil, text) },
		"Repeat":       func() { body.Repeat("x", size) },
	} {
		before := writes(t)
		move()
		if n := writes(t) - before; n < least {
			t.Errorf("%s of %d MiB lets others run %d times, want at least %d", name, size>>20, n, least)
		}
	}
}
