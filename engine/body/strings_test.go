package body_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

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
			var want string
			if err := json.Unmarshal([]byte(s[start:end]), &want); err != nil || body.Unquote(s[start:end]) != want {
				t.Fatalf("%q: got %q, want %q, %v", s, body.Unquote(s[start:end]), want, err)
			}
			at = end
		}
		if json.Valid([]byte(s)) && strings.Contains(s, `"`) && at <= strings.LastIndexByte(s, '"') {
			t.Fatalf("%q: nothing after %d", s, at)
		}
	})
}
