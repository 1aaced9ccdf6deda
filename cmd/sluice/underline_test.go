package main

import (
	"strings"
	"testing"
)

// TestTheMarkStandsUnderItsWord: whatever stands before it, in columns of a terminal.
func TestTheMarkStandsUnderItsWord(t *testing.T) {
	t.Parallel()
	f := func(line string, number, column int, want string) {
		t.Helper()
		if got := underlined([]rune(line), number, column); got != want {
			t.Errorf("%.40q:\n%s\nwant\n%s", line, got, want)
		}
	}
	f("x = nope(1)", 3, 5, "     3 | x = nope(1)\n       |     ^^^^\n")
	f("  pass it", 3, 0, "     3 |   pass it\n       |   ^^^^^^^\n")
	f("x = '", 12, 6, "    12 | x = '\n       |      ^\n")
	f("x = {'東京': nope}", 3, 12, "     3 | x = {'東京': nope}\n       |              ^^^^\n")
	f("x = 'ﾄｳe\u0301' + 値", 3, 14, "     3 | x = 'ﾄｳe\u0301' + 値\n       |             ^^\n")
	f("x = '😀' + nope", 3, 11, "     3 | x = '😀' + nope\n       |            ^^^^\n")
	f("\ufeffx = nope", 1, 5, "     1 | x = nope\n       |     ^^^^\n")

	long := strings.Repeat("a", 50_000) + " nope " + strings.Repeat("b", 60_000)
	f(long, 3, 50_002, "     3 | …"+strings.Repeat("a", 58)+" nope "+strings.Repeat("b", 54)+"…\n       | "+strings.Repeat(" ", 60)+"^^^^\n")
	f(long, 3, 1, "     3 | "+strings.Repeat("a", 119)+"…\n       | "+strings.Repeat("^", 120)+"\n")
	f(long, 3, len(long)+1, "     3 | …"+strings.Repeat("b", 119)+"\n       | "+strings.Repeat(" ", 120)+"^\n")
}
