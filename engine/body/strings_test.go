package body_test

import (
	"encoding/json"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"sluice/engine/body"
)

func stringsOf(s string) (out []string) {
	for start, end := range body.Strings(s) {
		out = append(out, s[start:end])
	}
	return out
}

func TestStringsFindsEachAndPassesOverWhatIsNone(t *testing.T) {
	f := func(s string, want ...string) {
		t.Helper()
		if got := stringsOf(s); !slices.Equal(got, want) {
			t.Errorf("%s: got %q, want %q", s, got, want)
		}
	}
	f(`{"a":["b\"",1,"\u00e9\\"],"a":""}`, `"a"`, `"b\""`, `"\u00e9\\"`, `"a"`, `""`)
	f(`"top"`, `"top"`)
	f("\ufeff{\"a\":\"b", `"a"`)
	f(`"broken \x escape" "next"`, `" "`)
	f(`"cut \u00`)
	f(`"cut \`)
	f("\"line\nend\" \"b\"", `" "`)
	f("no strings")
}

func TestAReadingKnowsWhereItsBytesComeFrom(t *testing.T) {
	f := func(s string, inside bool, text string, from ...int) {
		t.Helper()
		checkReading(t, s, body.Read(s, inside), text, from)
	}
	f(`ab`, true, "ab", 0, 1, 2)
	f(`\u0061\nb`, true, "a\nb", 0, 6, 8, 9)
	f(`\ud83d\ude00`, true, "\U0001f600", 0, 0, 0, 0, 12)
	f(`\ud83d`, true, "\ufffd", 0, 0, 0, 6)
	f(`\\u0061\\n`, true, `a\n`, 0, 7, 9, 10)
	f(`\n\\\u0040\u00`, false, `\n@\u00`, 0, 1, 2, 10, 11, 12, 13, 14)
	f(`\u0022\u000a`, false, `\u0022\u000a`, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12)
}

func checkReading(t *testing.T, s string, r body.Reading, text string, from []int) {
	t.Helper()
	var got []int
	for i := range len(r.Text) + 1 {
		got = append(got, r.From(i))
	}
	if r.Text != text || !slices.Equal(got, from) {
		t.Errorf("%s: got %q, %v, want %q, %v", s, r.Text, got, text, from)
	}
}

func TestADeepReadingTearsNoEscapeApart(t *testing.T) {
	f := func(s string, inside bool, text string, from ...int) {
		t.Helper()
		checkReading(t, s, body.ReadDeep(s, inside), text, from)
	}
	f(`ab`, true, "ab", 0, 1, 2)
	f(`\\nb`, true, "\nb", 0, 3, 4)
	f(`\\\\nb`, true, "\nb", 0, 5, 6) // an escaped backslash and n, or the end of a line one string deeper
	f(`\\\nb`, true, "\\\nb", 0, 2, 4, 5)
	f(`\\\\\\\\\"b\\\\c`, true, "\"b\\c", 0, 10, 11, 15, 16)
	f(`\\\"b`, true, "\"b", 0, 4, 5)
	f(`\"\\"`, true, "\"\"", 0, 2, 5)
	f(`\nb`, false, "\nb", 0, 2, 3)
	f(`\\nb`, false, "\nb", 0, 3, 4)
	f(`\b\f\r\t\"\/\xn`, false, "\b\f\r\t\"/\\xn", 0, 2, 4, 6, 8, 10, 12, 13, 14, 15)
	f(`\\u00e9a`, true, "éa", 0, 0, 7, 8)
	f(`\ud83d\u003Ca`, false, "\ufffd<a", 0, 0, 0, 6, 12, 13)
	f(`\\u0061\\u00g0`, true, `a\u00g0`, 0, 7, 9, 10, 11, 12, 13, 14)
	f(`\u005cn\u005cu005cu0061`, false, "\na", 0, 7, 23)
	f(`\\u00`, true, `\u00`, 0, 2, 3, 4, 5)
	f(`\\`, true, `\`, 0, 2)
}

// However deep JSON stands in strings of JSON, what a deep reading takes out between its quotes leaves it whole at every depth.
func TestWhatADeepReadingTakesOutLeavesJSONWhole(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	parts := []string{"a", "n", "u0041", `\`, `\\`, "\"", "/", "\n", "\t", "é", "\u2028", "<", "secret", " "}
	for range 20_000 {
		text := ""
		for range rng.IntN(8) {
			text += parts[rng.IntN(len(parts))]
		}
		depth := 1 + rng.IntN(4)
		for range depth {
			b, _ := json.Marshal([]string{text})
			text = string(b)
		}
		inside := text[2 : len(text)-2]
		r := body.ReadDeep(inside, true)
		i := rng.IntN(len(r.Text) + 1)
		j := i + rng.IntN(len(r.Text)-i+1)
		if strings.ContainsAny(r.Text[i:j], `"[]`) || !utf8.RuneStart(startOf(r.Text, i)) || !utf8.RuneStart(startOf(r.Text, j)) {
			continue
		}
		left := text[:2] + inside[:r.From(i)] + inside[r.From(j):] + text[len(text)-2:]
		for at, what := 0, left; at < depth; at++ {
			var list []string
			if err := json.Unmarshal([]byte(what), &list); err != nil || len(list) != 1 {
				t.Fatalf("%s without %q: %s: at depth %d: %v", text, r.Text[i:j], left, at, err)
			}
			what = list[0]
		}
	}
}

// startOf is the byte at i, or one that begins a rune at the end.
func startOf(s string, i int) byte {
	if i == len(s) {
		return 0
	}
	return s[i]
}

// What is read takes as long as it is, whatever it holds: a reading that looked at all backslashes from each of them took minutes.
func TestAReadingOfBackslashesEnds(t *testing.T) {
	long := strings.Repeat(`\`, 2<<20)
	for _, inside := range []bool{true, false} {
		if got := body.ReadDeep(long+"n", inside).Text; got != "\n" {
			t.Errorf("%d bytes are read deep as %d", len(long)+1, len(got))
		}
		if got := body.Read(long+"a", inside).Text; len(got) != len(long)+1 && len(got) != len(long)/2+1 {
			t.Errorf("%d bytes are read as %d", len(long)+1, len(got))
		}
		if got := body.Read(long+"u0061", inside).Text; got != "a" {
			t.Errorf("backslashes of %d bytes before a letter are read as %d", len(long), len(got))
		}
	}
}

// Every string of a document is found, with the text that encoding/json reads in it.
func FuzzStrings(f *testing.F) {
	f.Add(`{"a":"b\u0041","c":[true,"\ud83d\ude00"]}`)
	f.Add(`"\"` + strings.Repeat(`\"`, 9))
	f.Fuzz(func(t *testing.T, s string) {
		at := 0
		for start, end := range body.Strings(s) {
			if start < at || end > len(s) || !json.Valid([]byte(s[start:end])) {
				t.Fatalf("%q: %d to %d is no string", s, start, end)
			}
			at = end
			var want string
			if err := json.Unmarshal([]byte(s[start:end]), &want); err != nil {
				t.Fatal(err)
			}
			got := body.Read(s[start+1:end-1], true)
			if !utf8.ValidString(s) || strings.Contains(want, `\u00`) {
				continue // is read as it stands, or deeper than encoding/json reads
			}
			if got.Text != want || got.From(0) != 0 || got.From(len(want)) != end-start-2 {
				t.Fatalf("%q: got %q, want %q", s, got.Text, want)
			}
		}
		if json.Valid([]byte(s)) && strings.Contains(s, `"`) && at <= strings.LastIndexByte(s, '"') {
			t.Fatalf("%q: nothing after %d", s, at)
		}
	})
}
