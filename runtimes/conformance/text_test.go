package conformance_test

import (
	"testing"
	"testing/fstest"

	"sluice/engine"
	"sluice/runtimes"
	"sluice/runtimes/lua"
	"sluice/runtimes/starlark"
)

// A file that a crash cut off or filled with zeros is refused as a whole: a parser may take the first zero for the end.
func TestAFileThatIsNoTextIsRefused(t *testing.T) {
	f := func(language runtimes.Language, text, want string) {
		t.Helper()
		path := "f" + language.Extension()
		a := runtimes.Admission{Language: language, Path: path, Files: fstest.MapFS{path: {Data: []byte(text)}},
			Budget: engine.Budget{Time: 5e9, Steps: 1_000_000}}
		got := a.Admit()
		if len(got.Errors) != 1 || got.Errors[0].Error() != want {
			t.Errorf("%q: got %v, want %s", text, got.Errors, want)
		}
	}
	f(starlark.New(), "x = 1\ny =\x00 2\n", "f.star:2:4: the file holds byte 0x00, want UTF-8 text")
	f(lua.New(), "x = 1\ny =\x00 2\n", "f.lua:2:4: the file holds byte 0x00, want UTF-8 text")
	f(starlark.New(), "# \xff\n", "f.star:1:3: the file holds byte 0xff, want UTF-8 text")
	f(lua.New(), "-- \xff\n", "f.lua:1:4: the file holds byte 0xff, want UTF-8 text")
}

// A line that ends too early is where the mistake is, not the one after it.
func TestALineThatEndsTooEarlyIsTheOneAtFault(t *testing.T) {
	f := func(language runtimes.Language, text, want string) {
		t.Helper()
		path := "f" + language.Extension()
		a := runtimes.Admission{Language: language, Path: path, Files: fstest.MapFS{path: {Data: []byte(text)}},
			Budget: engine.Budget{Time: 5e9, Steps: 1_000_000}}
		if got := a.Admit(); len(got.Errors) != 1 || got.Errors[0].Error() != want {
			t.Errorf("%q: got %v, want %s", text, got.Errors, want)
		}
	}
	f(starlark.New(), "def f(a)\n    return a\n", "f.star:1:9: got newline, want ':'")
	f(starlark.New(), "x = [1,\n\n# no more\n", "f.star:1:5: '[' is not closed")
	f(lua.New(), "local s = \"abc\nlocal t = 1\n", "f.lua:1:11: unterminated string")
}
