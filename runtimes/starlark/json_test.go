package starlark_test

import (
	"strings"
	"testing"
)

func TestJSONIsWrittenAsItIsRead(t *testing.T) {
	t.Parallel()
	f := func(expr, want string) {
		t.Helper()
		if got, err := eval(t, "    return json.encode("+expr+")"); err != nil || got != want {
			t.Errorf("%s:\n got %s, %v\nwant %s", expr, got, err, want)
		}
	}
	f(`{"b": 1, "a": [True, False, None], "": "x"}`, `{"b":1,"a":[true,false,null],"":"x"}`)
	f(`[3.0, 0.5, -1e300, 1e21, 100000000000000000000, 9007199254740993, -0.0]`,
		`[3,0.5,-1e+300,1e+21,100000000000000000000,9007199254740993,0]`)
	f(`"<é>\n\"\\ \x01"`, `"<é>\n\"\\ \u0001"`)
	f(`[(), [], {}, (1,)]`, `[[],[],{},[1]]`)
	f(`json.decode("{\"b\":1,\"a\":{\"z\":[1.5,12345678901234567890123]},\"b\":2}")`, `{"b":2,"a":{"z":[1.5,12345678901234567890123]}}`)
	f(`config`, `{"max_utilization":0.9,"regions":["eu","us"],"nested":{"deep":[1,null]},"big":123456789012345678901234567890}`)
	f(`ctx.body.json()`, `{"model":"claude-sonnet-4-5","max_tokens":1024,"stream":true,"big":9007199254740993,`+
		`"messages":[{"role":"user","content":"hi"}],"metadata":{"user_id":"u-1"},"none":null,"half":0.5}`)
	f(`[principal.claims, candidates[0].labels, json.null, json.array([])]`,
		`[{"team":"core","roles":["dev","ops"]},{"team":"core","tier":"gold"},null,[]]`)
	f(`json.decode("[]") + [json.decode("3.0")]`, `[3]`)
}

func TestADecodedValueIsTheScriptsOwn(t *testing.T) {
	t.Parallel()
	body := "    d = ctx.body.get(\"metadata\")\n    d[\"x\"] = [1]\n    d[\"x\"].append(2)\n" +
		"    return [d, ctx.body.get(\"metadata\"), type(d), type(d[\"x\"]), 12345678901234567890123 == json.decode(\"12345678901234567890123\")]"
	want := `[{"user_id": "u-1", "x": [1, 2]}, {"user_id": "u-1"}, "dict", "list", True]`
	if got, err := eval(t, body); err != nil || got != want {
		t.Errorf("got %s, %v, want %s", got, err, want)
	}
}

func TestWhatJSONCannotHoldIsRefused(t *testing.T) {
	t.Parallel()
	f := func(expr, want string) {
		t.Helper()
		_, err := eval(t, "    l = []\n    l.append(l)\n    return "+expr)
		if err == nil || !strings.Contains(scriptError(t, err).Message, want) {
			t.Errorf("%s: got %v, want %s", expr, err, want)
		}
	}
	f(`json.encode({1: 2})`, `json.encode: a key is a number, want a string`)
	f(`json.encode(float("nan"))`, `json.encode: JSON has no number for NaN`)
	f(`json.encode([float("inf")])`, `json.encode: JSON has no number for +Inf`)
	f(`json.encode(ctx)`, `json.encode: a ctx cannot be written as JSON`)
	f(`json.encode([candidates[0]])`, `json.encode: a candidate cannot be written as JSON`)
	f(`json.encode(len)`, `json.encode: a function cannot be written as JSON`)
	f(`json.encode(b"x")`, `json.encode: a bytes cannot be written as JSON`)
	f(`json.encode(set([1]))`, `json.encode: a set cannot be written as JSON`)
	f(`json.encode(l)`, `json.encode: the value is nested deeper than 256`)
	f(`json.decode("{")`, `json.decode: offset 1: `)
	f(`json.decode("[" * 300)`, `json.decode: `)
}
