package starlark_test

import (
	"testing"

	"sluice/engine"
	"sluice/runtimes/starlark"
)

func TestAScriptReadsHostValues(t *testing.T) {
	t.Parallel()
	f := func(expr, want string) {
		t.Helper()
		if got, err := eval(t, "    c = candidates[1]\n    return "+expr); err != nil || got != want {
			t.Errorf("%s:\n got %s, %v\nwant %s", expr, got, err, want)
		}
	}
	f(`[ctx.request_id, ctx.session_id, ctx.method, ctx.path, ctx.model]`,
		`["0195-r1", "s-1", "POST", "/v1/messages", "claude-sonnet-4-5"]`)
	f(`[ctx.stream, ctx.max_tokens, ctx.service_tier, ctx.attempt, ctx.now_ms]`, `[True, 1024, None, 1, 1772366400000]`)
	f(`ctx.random() == ctx.random()`, `False`)
	f(`0 <= ctx.random() and ctx.random() < 1`, `True`)
	f(`ctx.query`, `{"beta": "true", "x": "a b"}`)
	f(`[ctx.headers["ANTHROPIC-version"], ctx.headers["nope"], ctx.headers["x-api-key"]]`, `["2023-06-01", None, None]`)
	f(`[ctx.headers.get("anthropic-beta"), ctx.headers.get("nope"), ctx.headers.get("nope", 1)]`, `["a", None, 1]`)
	f(`[ctx.headers.all("anthropic-beta"), "Anthropic-Beta" in ctx.headers, "x-api-key" in ctx.headers]`,
		`[["a", "b"], True, False]`)
	f(`[n for n in ctx.headers]`, `["anthropic-version", "anthropic-beta"]`)
	f(`dict(ctx.headers)`, `{"anthropic-version": "2023-06-01", "anthropic-beta": "a"}`)
	f(`[principal.id, principal.name, principal.kind, principal.claims["team"], principal.claims["none"]]`,
		`["alice", "alice", "api_key", "core", None]`)
	f(`"ops" in principal.claims["roles"]`, `True`)
	f(`[c.id, c.name, c.kind, c.base_url, c.region]`,
		`["00000000-0000-0000-0000-000000000002", "up-1", "bedrock_runtime", "https://up-1.example.com", "us-east-1"]`)
	f(`[c.project, c.weight, c.priority, c.labels["tier"], c.labels.get("nope", "x")]`, `[None, 1, 1, "silver", "x"]`)
	f(`[c.model("claude-sonnet-4-5"), c.model("other"), c.healthy, c.cooldown_ms, c.breaker]`,
		`["own-sonnet", "other", True, 0, "closed"]`)
	f(`[c.in_flight, c.concurrency, c.error_rate, c.ttfb_ms]`, `[1, 101, 0.01, 800]`)
	f(`[(r.kind, r.window, r.limit, r.remaining, r.resets_ms) for r in c.rate_limits]`, `[("requests", "1m", 1000, 900, 60000)]`)
	f(`[(q.window, q.state, q.status, q.utilization, q.resets_ms) for q in c.quotas][0]`, `("5h", "fresh", "allowed", 0.1, 3600000)`)
	f(`[c.utilization("5h"), c.utilization("1y"), c.utilization("1y", 0.5), c.utilization(window = "7d", default = 1)]`,
		`[0.1, 0, 0.5, 0.3]`)
	f(`[ctx.body.get("model"), ctx.body.get("messages.0.role"), ctx.body.get("none", 3), ctx.body.get("nope")]`,
		`["claude-sonnet-4-5", "user", 3, None]`)
	f(`[ctx.body.get("messages"), ctx.body.get("big"), ctx.body.get("half"), ctx.body.has("none")]`,
		`[[{"role": "user", "content": "hi"}], 9007199254740993, 0.5, True]`)
	f(`[ctx.body.type("messages"), ctx.body.raw("metadata"), ctx.body.json()["max_tokens"]]`, `["list", "{\"user_id\":\"u-1\"}", 1024]`)
	f(`ctx.body.size > 100`, `True`)
	f(`[type(ctx), type(c), type(principal), type(ctx.headers), type(config), str(c), str(ctx)]`,
		`["ctx", "candidate", "principal", "headers", "map", "<candidate \"up-1\">", "<ctx>"]`)
	f(`[c == candidates[1], c == candidates[2], c in candidates, {c: 1}[candidates[1]], candidates.index(c)]`, `[True, False, True, 1, 1]`)
	f(`[hasattr(c, "name"), hasattr(c, "nmae"), getattr(c, "nmae", 7), "utilization" in dir(c), dir(ctx.query)]`,
		`[True, False, 7, True, ["get", "items", "keys", "values"]]`)
	f(`[len(candidates), bool(candidates), len(ctx.headers), len(ctx.query)]`, `[4, True, 2, 2]`)
}

func TestConfigIsAnOpenMap(t *testing.T) {
	t.Parallel()
	f := func(expr, want string) {
		t.Helper()
		if got, err := eval(t, "    return "+expr); err != nil || got != want {
			t.Errorf("%s:\n got %s, %v\nwant %s", expr, got, err, want)
		}
	}
	f(`[config["max_utilization"], config["nope"], config.get("nope"), config.get("nope", 1), config[7]]`, `[0.9, None, None, 1, None]`)
	f(`["regions" in config, "nope" in config, 7 in config, len(config), bool(config), bool(config["nested"])]`,
		`[True, False, False, 4, True, True]`)
	f(`[k for k in config]`, `["max_utilization", "regions", "nested", "big"]`)
	f(`config.keys() == list(config)`, `True`)
	f(`config.values()[0]`, `0.9`)
	f(`config.items()[0]`, `("max_utilization", 0.9)`)
	f(`config["regions"] == ["eu", "us"]`, `True`)
	f(`config["regions"] + ["ap"]`, `["eu", "us", "ap"]`)
	f(`[config["regions"][0], config["regions"][-1], config["regions"][1:]]`, `["eu", "us", ["us"]]`)
	f(`config["nested"]["deep"]`, `[1, None]`)
	f(`config["nested"]["nope"]`, `None`)
	f(`config["big"] + 1`, `123456789012345678901234567891`)
	f(`dict(config["nested"], more = 2)`, `{"deep": [1, None], "more": 2}`)
	f(`config`, `{"max_utilization": 0.9, "regions": ["eu", "us"], "nested": {"deep": [1, None]}, "big": 123456789012345678901234567890}`)
}

func TestStringsAreBytes(t *testing.T) {
	t.Parallel()
	if got, err := eval(t, "    s = \"h\u00e9llo\"\n    return [len(s), s[1:3] == \"\u00e9\", len(s[2:])]"); err != nil || got != "[6, True, 4]" {
		t.Errorf("got %s, %v", got, err)
	}
}

// frozen follows each error of changing what outlives a call.
const frozen = "; globals and what the gateway gives cannot change while a script serves: want a copy, or a dialect's state"

func TestAWrongUseOfAHostValueSaysWhatWasWanted(t *testing.T) {
	t.Parallel()
	f := func(stmt, want string) {
		t.Helper()
		_, err := eval(t, "    c = candidates[1]\n    "+stmt+"\n    return None")
		if err == nil {
			t.Fatalf("%s: no error", stmt)
		}
		if e := scriptError(t, err); e.Message != want || e.Line != 3 {
			t.Errorf("%s:\n got line %d: %s\nwant %s", stmt, e.Line, e.Message, want)
		}
	}
	f(`c.nmae`, `candidate has no field "nmae", want name`)
	f(`ctx.boddy`, `ctx has no field "boddy", want body`)
	f(`ctx.headers.sett`, `headers has no field "sett", want set`)
	f(`c.utilisation("5h")`, `candidate has no field "utilisation", want utilization`)
	f(`c.utilization()`, `utilization: missing argument "window"`)
	f(`c.utilization(5)`, `utilization: window is a number, want a string`)
	f(`c.utilization("5h", windw = 1)`, `utilization: unknown argument "windw", want window`)
	f(`c.utilization("5h", 1, 2)`, `utilization takes at most 2 arguments, got 3`)
	f(`c.name = "x"`, `candidate.name is read-only`)
	f(`c.labels["tier"] = "x"`, `this map is read-only`)
	f(`config["x"] = 1`, `this map is read-only`)
	f(`config.max_utilization`, `map has no method "max_utilization", want m["max_utilization"] for what is in it, or get, items, keys, values`)
	f(`config["regions"].append("x")`, `append: cannot append to frozen list`+frozen)
	f(`config["regions"][0] = "x"`, `cannot assign to element of frozen list`+frozen)
	f(`candidates.append(c)`, `append: cannot append to frozen list`+frozen)
	f(`c.quotas[0].status = "x"`, `quota.status is read-only`)
	f(`ctx.headers["x"] = "y"`, `headers cannot be assigned to by key, want set(name, value)`)
	f(`ctx.headers.set("x", "y")`, `set: these headers are read-only, want request.headers`)
	f(`ctx.body.set("x", "y")`, `set: this body is read-only, want request.body`)
	f(`json.decod("1")`, `json has no function "decod", want decode`)
	f(`config.get()`, `get takes a key and a default, got 0 arguments`)
	f(`config.get("a", default = 1)`, `get takes its arguments by position: get(key, default)`)
	f(`config.keys(1)`, `keys takes no arguments, got 1`)
	f(`fail("no", 7)`, `fail: no 7`)
	f(`re.test("(", "x")`, "re.test: \"(\" is no regular expression: error parsing regexp: missing closing ): `(`")
}

func TestFieldsReadInAdvanceAreThoseOfTheCandidate(t *testing.T) {
	t.Parallel()
	src := "def filter(ctx, p, cs):\n    out = []\n    for c in cs:\n        for name in dir(c):\n" +
		"            v = getattr(c, name)\n            if type(v) not in [\"builtin_function_or_method\", \"list\"]:\n" +
		"                out.append(\"%s=%s\" % (name, v))\n    return {\"keep\": cs, \"reason\": \" \".join(out)}\n"
	rt, ups := starlark.New(), upstreams(1)
	f := func(known []*engine.Upstream) string {
		filter, err := rt.InstantiateFilter(manifest(files{"s.star": src}, known))
		if err != nil {
			t.Fatal(err)
		}
		out, err := filter.Filter(request(), principal(), candidates(ups))
		if err != nil {
			t.Fatal(err)
		}
		return out.Reason
	}
	if known, unknown := f(ups), f(nil); known != unknown {
		t.Errorf("an upstream of the manifest reads\n%s\na new one\n%s", known, unknown)
	}
}

func TestTheLibraries(t *testing.T) {
	t.Parallel()
	f := func(expr, want string) {
		t.Helper()
		if got, err := eval(t, "    return "+expr); err != nil || got != want {
			t.Errorf("%s:\n got %s, %v\nwant %s", expr, got, err, want)
		}
	}
	f(`hash("")`, `8418803346717469`)
	f(`[re.test("^a+$", "aaa"), re.find("(a)(b)?", "xa"), re.find("z", "a"), re.find_all("a.", "abac")]`,
		`[True, ["a", "a", None], None, [["ab"], ["ac"]]]`)
	f(`re.find("(a)(b)", "ab") == ["ab", "a", "b"]`, `True`)
	f(`re.replace("(a)(b)", "abab", "$2$1")`, `baba`)
	f(`[url.escape("a/b c"), url.query({"a": "1 2", "b": 3})]`, `["a%2Fb%20c", "a=1+2&b=3"]`)
	f(`json.null`, `None`)
	f(`[json.array([]), json.array((1,))]`, `[[], (1,)]`)
}
