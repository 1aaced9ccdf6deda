package conformance_test

import (
	"strings"
	"testing"

	"sluice/engine"
	"sluice/runtimes"
)

// What a script fails with on purpose reaches the client, the same in both languages. Any other error is for the log alone.
func TestTheWordsThatAScriptFailsWithAreTold(t *testing.T) {
	f := func(star, lua, want string) {
		t.Helper()
		source := written{".star": "def shape(ctx, upstream, principal, request):\n    " + star + "\n",
			".lua": "function shape(ctx, upstream, principal, request)\n  " + lua + "\nend\n"}
		for _, lang := range languages() {
			d, err := lang.InstantiateDialect(manifest(lang, source))
			if err != nil {
				t.Fatal(err)
			}
			for range 2 { // the second call knows nothing of the first
				_, err = runtimes.Shape(d, runtimes.SampleRequest(), runtimes.SamplePrincipal(), candidates()[0])
				if e := scriptError(t, err); engine.Cut(e.Raised, engine.MaxReason) != engine.Cut(want, engine.MaxReason) {
					t.Errorf("%s: raised %q, want %q: %v", lang.Extension(), e.Raised, want, e)
				}
			}
		}
	}
	f(`fail("no such model:", ctx.method)`, `error("no such model: " .. ctx.method)`, "no such model: POST")
	f(`fail("x.lua:3: text")`, `error("x.lua:3: text")`, "x.lua:3: text")
	f(`fail("long " * 1000)`, `error(string.rep("long ", 1000))`, strings.Repeat("long ", 1000))
	f(`fail("no such model")`, `local model = assert(nil, "no such model")`, "no such model")
	f(`fail("")`, `error("")`, "")
	f(`1 // 0`, `local a = nil; return a.b`, "")
	f(`request.url = 1`, `pcall(error, "request.url: want"); request.url = 1`, "")
	f(`upstream.naem`, `return upstream.naem`, "")
}
