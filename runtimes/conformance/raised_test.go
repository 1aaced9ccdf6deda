package conformance_test

import (
	"strings"
	"testing"

	"sluice/engine"
	"sluice/runtimes"
)

// An error of a script may hold what a client sent. It is logged and kept, without what reads as a credential.
func TestAnErrorOfAScriptHoldsNoCredential(t *testing.T) {
	const key = "sk-sluice-0123456789abcdef"
	f := func(star, lua string) {
		t.Helper()
		source := written{".star": "def filter(ctx, principal, candidates):\n    " + star + "\n",
			".lua": "function filter(ctx, principal, candidates)\n  " + lua + "\nend\n"}
		for _, lang := range languages() {
			p, err := lang.InstantiateFilter(manifest(lang, source))
			if err != nil {
				t.Fatal(err)
			}
			_, err = p.Filter(runtimes.SampleRequest(), runtimes.SamplePrincipal(), candidates())
			if err == nil || strings.Contains(err.Error(), key) || !strings.Contains(err.Error(), "[redacted]") {
				t.Errorf("%s: %v, want an error with [redacted] in the place of the key", lang.Extension(), err)
			}
		}
	}
	f(`fail("got `+key+`")`, `error("got `+key+`")`)
	f(`return "`+key+`"`, `return "`+key+`"`)
	f(`return {"keep": candidates, "reasons": {"`+key+`": "x"}}`, `return {keep = candidates, reasons = {["`+key+`"] = "x"}}`)
}

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
	f(`fail("got sk-sluice-0123456789abcdef and more")`, `error("got sk-sluice-0123456789abcdef and more")`, "got [redacted] and more")
	f(`1 // 0`, `local a = nil; return a.b`, "")
	f(`request.url = 1`, `pcall(error, "request.url: want"); request.url = 1`, "")
	f(`upstream.naem`, `return upstream.naem`, "")
}
