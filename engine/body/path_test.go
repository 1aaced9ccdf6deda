package body_test

import (
	"slices"
	"strings"
	"testing"

	"sluice/engine/body"
)

func TestParsePathSplitsAtDots(t *testing.T) {
	t.Parallel()
	f := func(path string, want ...string) {
		t.Helper()
		p, err := body.ParsePath(path)
		if err != nil || !slices.Equal(p, want) {
			t.Errorf("%s: got %q, %v, want %q", path, p, err, want)
		}
		if p.String() != path {
			t.Errorf("%s: written as %s", path, p)
		}
	}
	f(`model`, `model`)
	f(`messages.0.content.-1`, `messages`, `0`, `content`, `-1`)
	f(`labels.a\.b.c`, `labels`, `a.b`, `c`)
	f(`a\\.b\\\.c`, `a\`, `b\.c`)
	f(`\.`, `.`)
	f(`ключ.日 本`, `ключ`, `日 本`)
}

func TestParsePathRefusesWhatIsNoPath(t *testing.T) {
	t.Parallel()
	f := func(path, want string) {
		t.Helper()
		p, err := body.ParsePath(path)
		if err == nil || err.Error() != want {
			t.Errorf("%.80s: got %q, %v, want %s", path, p, err, want)
		}
	}
	f(``, `path "": expected a key or a position at offset 0`)
	f(`.a`, `path ".a": expected a key or a position at offset 0`)
	f(`a..b`, `path "a..b": expected a key or a position at offset 2`)
	f(`a.`, `path "a.": expected a key or a position at offset 2`)
	f(`a\..`, `path "a\\..": expected a key or a position at offset 4`)
	f(`a.\b`, `path "a.\\b": expected a dot or a backslash after the backslash at offset 2`)
	f(`a\`, `path "a\\": expected a dot or a backslash after the backslash at offset 1`)
	f("a.\xff", `path "a.\xff": not UTF-8`)
	f(strings.Repeat("a.", 1<<20), `a path of 2097152 bytes, want at most 16384`)
}
