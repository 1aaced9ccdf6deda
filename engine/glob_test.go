package engine_test

import (
	"path"
	"strings"
	"testing"

	"sluice/engine"
)

func TestAGlobMatchesTheWholeText(t *testing.T) {
	t.Parallel()
	f := func(pattern, s string, want bool) {
		t.Helper()
		if got := engine.MatchGlob(pattern, s); got != want {
			t.Errorf("MatchGlob(%q, %q) = %v, want %v", pattern, s, got, want)
		}
	}
	f("", "", true)
	f("", "a", false)
	f("a", "a", true)
	f("a", "ab", false)
	f("ab", "a", false)
	f("a", "A", false)
	f("*", "", true)
	f("*", "any/thing", true)
	f("**", "x", true)
	f("claude-*", "claude-", true)
	f("claude-*", "claude-sonnet-4-5", true)
	f("claude-*", "xclaude-sonnet", false)
	f("*-sonnet", "claude-sonnet-4", false)
	f("*sonnet*", "claude-sonnet-4", true)
	f("*a*b", "xaxbxb", true)
	f("*a*b", "xbxa", false)
	f("a*a", "a", false)
	f("a*a", "aa", true)
	f("?", "", false)
	f("?", "x", true)
	f("??", "x", false)
	f("c?t*", "cat/s", true)
	f("/v1/models*", "/v1/models", true)
	f("/v1/models*", "/v1/models/claude-x", true)
	f("/v1/messages", "/v1/messages/count_tokens", false)
	f("[a]", "[a]", true)
	f("[a]", "a", false)
	f(`\*`, `\anything`, true)
	f("*ss*ippi", "mississippi", true)
}

func TestAGlobAllocatesNothing(t *testing.T) {
	matched := false
	if n := testing.AllocsPerRun(100, func() { matched = engine.MatchGlob("*sonnet*4*", "claude-sonnet-4-5") }); n != 0 || !matched {
		t.Errorf("MatchGlob allocates %v times, want 0", n)
	}
}

// Without slashes, classes and escapes the rules are those of path.Match.
func FuzzMatchGlob(f *testing.F) {
	f.Add("a*b?c", "aXXbYc")
	f.Add("**?*", "x")
	f.Fuzz(func(t *testing.T, pattern, s string) {
		if strings.ContainsAny(pattern, `[\/`) || strings.ContainsAny(s, "/") || !ascii(pattern+s) {
			return
		}
		want, err := path.Match(pattern, s)
		if err != nil {
			t.Fatalf("path.Match(%q, %q): %v", pattern, s, err)
		}
		if got := engine.MatchGlob(pattern, s); got != want {
			t.Errorf("MatchGlob(%q, %q) = %v, path.Match says %v", pattern, s, got, want)
		}
	})
}

func ascii(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r > 126 }) < 0
}
