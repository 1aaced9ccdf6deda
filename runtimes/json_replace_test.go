package runtimes_test

import (
	"testing"
	"unicode/utf8"

	"sluice/engine/body"
	"sluice/runtimes"
)

// secrets are expressions such as a redacting script's: one of them looks at what stands before.
var secrets = [][2]string{{`sk-[a-z0-9-]{4,}`, "[key]"}, {`(^|[^A-Za-z0-9])AIza[a-z0-9]{4}`, "${1}[key]"}, {`[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\.[A-Za-z]{2,}`, "[email]"}}

// What is replaced in a text is replaced in a string that holds the text, and so at any depth.
func FuzzReplaceAtAnyDepth(f *testing.F) {
	f.Add("a\nme@example.org")
	f.Add(`{"a":"b\nme@example.org\u00e9me@example.org\\nAIza0123","c":"{\"d\":\"\\tsk-0123\\\\u003cAIza0123\"}"}`)
	f.Add(`C:\new\me@example.org "C:\new\me@example.org" \n@example.org \u00e9sk-0123`)
	f.Add(`"\ud83d\ude00me@example.org`)
	f.Fuzz(func(t *testing.T, s string) {
		if !utf8.ValidString(s) {
			return
		}
		for _, p := range secrets {
			text, whole := s, replaceJSON(t, p, s)
			for range 3 {
				text, whole = quoted(text), quoted(whole)
				if got := replaceJSON(t, p, text); got != whole {
					t.Fatalf("%s\ngot  %s\nwant %s", text, got, whole)
				}
			}
		}
	})
}

func quoted(s string) string { return string(body.AppendString(nil, s)) }

func replaceJSON(t *testing.T, p [2]string, s string) string {
	t.Helper()
	v, err := library(t, "json", "replace").Call(&runtimes.Call{Patterns: &runtimes.Patterns{}}, nil, []runtimes.Value{str(p[0]), str(s), str(p[1])})
	if err != nil {
		t.Fatal(err)
	}
	return v.Str
}
