package runtimes_test

import (
	"strings"
	"testing"
	"testing/fstest"

	"sluice/runtimes"
)

func TestReadingAFixture(t *testing.T) {
	f := func(src, want string) {
		t.Helper()
		_, err := runtimes.ParseFixture("x.txtar", []byte(src))
		got := ""
		if err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%q: got %q, want %q", src, got, want)
		}
	}
	const head = "-- hook --\nfilter\n-- script --\na/b\n"
	f("A comment.\n"+head+"-- config --\n{}\n-- budgets --\n{\"steps\": 5, \"time_ms\": 7}\n-- input.json --\n{}\n-- want.json --\n{}\n-- files/a/b.star --\nx\n", "")
	f(head+"-- error --\n{file}:1: x\n", "")
	f(head+"-- error.lua --\n{file}:1: x\n-- error.star --\ny\n", "")
	f("-- hook --\ntest\n-- script --\nx\n", "")
	f("", `x.txtar: hook "", want the name of a hook or test`)
	f("-- hook --\nfiltr\n", `x.txtar: hook "filtr", want the name of a hook or test`)
	f("-- hook --\nfilter\n-- script --\n../x\n", `x.txtar: script "../x", want the path of a script without its extension`)
	f(head, "x.txtar: neither want.json nor error, want one of them")
	f(head+"-- error --\nx\n-- want.json --\n{}\n", "x.txtar: both want.json and error, want one of them")
	f(head+head, `x.txtar: section "hook" stands there twice`)
	f(head+"-- want.jsn --\n{}\n", `x.txtar: section "want.jsn": unknown, want want.json`)
	f(head+"-- files/../x --\n{}\n", `x.txtar: section "files/../x": unknown`)
	f(head+"-- config --\n[]\n", `x.txtar: section "config": want a JSON object`)
	f(head+"-- want.json --\n{\n", `x.txtar: section "want.json": offset 2: expected a key in double quotes, found end of input`)
	f(head+"-- budgets --\n{\"step\": 5}\n", `x.txtar: section "budgets": unknown budget "step", want steps`)
	f(head+"-- budgets --\n{\"steps\": 0.5}\n", `x.txtar: section "budgets": steps is 0.5, want a whole number`)
}

func TestAFixtureTellsHowAResultDiffers(t *testing.T) {
	f := func(sections, want string) {
		t.Helper()
		fixture, err := runtimes.ParseFixture("x.txtar", []byte("-- script --\nx\n"+sections))
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		if err := fixture.Run(fake{}, nil); err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%q:\ngot  %s\nwant %s", sections, got, want)
		}
	}
	const filter = "-- hook --\nfilter\n-- files/x.fake --\nfilter(3)\n"
	f(filter+"-- want.json --\n{\"keep\": []}\n", "")
	f(filter+"-- want.json --\n[]\n", "")
	f(filter+"-- want.json --\n{\"keep\": [\"a\"]}\n", `keep is [], want ["a"]`)
	f(filter+"-- want.json --\n{\"deny\": \"x\"}\n", `deny is null, want "x"`)
	f(filter+"-- want.json --\nnull\n", `result is {"log": ["filter bedrock direct"], "keep": []}, want null`)
	f(filter+"-- error --\n{file}:1: x\n", `got {"log": ["filter bedrock direct"], "keep": []}, want the error "x.fake:1: x"`)
	f(filter+"-- input.json --\n{\"candidate\": {\"nme\": 1}}\n-- want.json --\n{}\n",
		`input.json: candidate has no field "nme", want name`)
	f(filter+"-- input.json --\n{\"candidats\": []}\n-- want.json --\n{}\n", `input.json: unknown "candidats", want candidates`)
	f(filter+"-- input.json --\n{\"candidates\": {}}\n-- want.json --\n{}\n", `input.json: candidates is a map, want a list`)
	f(filter+"-- input.json --\n{\"candidates\": [\"b\", {\"name\": \"a\"}]}\n-- want.json --\n{\"log\": [\"filter b a\"]}\n", "")
	const fails = "-- hook --\nfilter\n-- files/x.fake --\nfilter(3) fails\n"
	f(fails+"-- error --\n{file}:5: boom\n", "")
	f(fails+"-- error --\n{file}:5: bang\n", `got the error "x.fake:5: boom", want "x.fake:5: bang"`)
	f(fails+"-- error.star --\n{file}:5: boom\n", `got the error "x.fake:5: boom", want no error`)
	f(fails+"-- want.json --\n{}\n", `got the error "x.fake:5: boom", want no error`)
	f("-- hook --\ndrop\n-- files/x.fake --\ndrop(3)\n-- input.json --\n{\"candidate\": \"a\"}\n-- want.json --\n\"\"\n", "")
	f("-- hook --\nroute\n-- files/x.fake --\nroute(3)\n-- want.json --\n{\"upstream\": \"direct\"}\n",
		`upstream is "bedrock", want "direct"`)
	f("-- hook --\nnormalize_error\n-- files/x.fake --\nnormalize_error(3)\n-- want.json --\nnull\n", "")
	f("-- hook --\nnormalize_error\n-- files/x.fake --\nnormalize_error(3)\n-- want.json --\n{\"log\": [], \"status\": 503}\n", `status is null, want 503`)
	f("-- hook --\nnormalize_error\n-- files/x.fake --\nnormalize_error(3)\n-- want.json --\n{\"log\": [\"seen\"]}\n", `log is [], want ["seen"]`)
	f("-- hook --\nfilter\n-- files/x.fake --\nfilter(3)\n-- want.json --\n{\"reasons\": {\"a\": \"x\"}}\n", `reasons is null, want {"a": "x"}`)
	f("-- hook --\ntest\n-- files/x.fake --\ntest_a(1)\n-- want.json --\n{\"tests\": 1}\n", "")
	f("-- hook --\ntest\n-- files/x.fake --\ntest_a(1) fails\n-- error --\n{file}:9: test_a: eq: 1 is not 2\n", "")
	f("-- hook --\nobserve\n-- files/x.fake --\nobserve(1)\n-- input.json --\n{\"event\": {\"kind\": \"chunk\"}}\n-- want.json --\n{\"log\": [\"chunk\"]}\n", "")
	f("-- hook --\nobserve\n-- files/x.fake --\nobserve(1)\n-- input.json --\n{\"event\": {\"kind\": \"chunks\"}}\n-- want.json --\n{}\n", `input.json: event: unknown kind "chunks", want chunk`)
	const shape = "-- hook --\nshape\n-- files/x.fake --\nshape(4)\n-- input.json --\n{\"ctx\": {\"body\": \"{\\\"a\\\": 1}\"}}\n"
	f(shape+`-- want.json --
{"method": "POST", "url": "https://api.anthropic.com/v1/messages?beta=true", "body": "{\"a\": 1}", "headers": {"X-App": "cli",
	"none": null}}
`, "")
	f(shape+"-- want.json --\n{\"body\": {\"a\": 1.0}}\n", "")
	f(shape+"-- want.json --\n{\"body\": \"{\\\"a\\\":1}\"}\n", `body is "{\"a\": 1}", want "{\"a\":1}"`)
	f(shape+"-- want.json --\n{\"headers\": {\"x-app\": \"b\"}}\n", `header x-app is "cli", want "b"`)
}

func TestAFixtureRunsInTheLanguagesThatItHasScriptsIn(t *testing.T) {
	onDisk := fstest.MapFS{"x.fake": {Data: []byte("filter(3)")}}
	f := func(sections string, want bool) {
		t.Helper()
		fixture, err := runtimes.ParseFixture("x", []byte("-- hook --\nfilter\n-- script --\nx\n-- want.json --\n[]\n"+sections))
		if err != nil {
			t.Fatal(err)
		}
		if fixture.Covers(fake{}, onDisk) != want {
			t.Errorf("%q: covers is %v, want %v", sections, !want, want)
		}
	}
	f("", true)
	f("-- files/x.fake --\nfilter(3)\n", true)
	f("-- files/x.star --\nfilter(3)\n", false)
}

func FuzzFixturesAreReadOrRefused(f *testing.F) {
	f.Add([]byte("-- hook --\nfilter\n-- script --\nx\n-- want.json --\n{}\n-- files/x.fake --\nfilter(3)\n"))
	f.Add([]byte("-- hook --\nshape\n-- script --\nx\n-- input.json --\n{\"ctx\":{\"headers\":{\"a\":[1]}}}\n-- error --\n{file}:1: x\n-- files/x.fake --\nshape(4)\n"))
	f.Add([]byte("-- hook --\ntest\n-- script --\nx\n-- budgets --\n{\"steps\":1}\n"))
	f.Fuzz(func(t *testing.T, src []byte) {
		fixture, err := runtimes.ParseFixture("x", src)
		if err != nil {
			if !strings.HasPrefix(err.Error(), "x: ") {
				t.Errorf("the error %q does not name the file", err)
			}
			return
		}
		if strings.Contains(string(src), "hangs") {
			return
		}
		_ = fixture.Run(fake{}, fstest.MapFS{})
	})
}
