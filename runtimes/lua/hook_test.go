package lua_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"sluice/engine"
	"sluice/runtimes"
	"sluice/runtimes/lua"
)

func TestFilterDecides(t *testing.T) {
	t.Parallel()
	f := func(body, want string) {
		t.Helper()
		ups := upstreams(4)
		made := filterFrom(t, manifest(files{"s.lua": "function filter(ctx, principal, candidates) " + body + " end"}, ups))
		out, err := made.Filter(request(), principal(), candidates(ups))
		if err != nil {
			t.Errorf("%s: %v", body, err)
			return
		}
		got := ""
		for _, id := range out.KeptUpstreamIDs {
			got += fmt.Sprint(int(id[15]) - 1)
		}
		got += " " + out.Reason
		for _, r := range out.PerCandidateReasons {
			got += fmt.Sprintf(" %d %v %s", r.UpstreamID[15]-1, r.Kept, r.Reason)
		}
		if out.Denied {
			got += " denied"
		}
		if got != want {
			t.Errorf("%s: %q, want %q", body, got, want)
		}
	}
	f(`return candidates`, "0123 ")
	f(`return {candidates[2], candidates[1].id}`, "10 ")
	f(`return {}`, " ")
	f(`return json.array({})`, " ")
	f(`return {keep = {}}`, " ")
	f(`return {keep = candidates, reason = "all"}`, "0123 all")
	f(`return {keep = {candidates[1]}, reasons = {}}`, "0 ")
	f(`return {keep = {candidates[1]}, reason = "r", reasons = {[candidates[1].id] = "first", [candidates[3].id] = "third"}}`,
		"0 r 0 true first 2 false third")
	f(`return {deny = "no"}`, " no denied")
}

func TestFilterOutputThatIsNotOneIsInvalid(t *testing.T) {
	t.Parallel()
	f := func(body, want string) {
		t.Helper()
		ups := upstreams(2)
		made := filterFrom(t, manifest(files{"s.lua": "\nfunction filter(ctx, principal, candidates)\n" + body + " end"}, ups))
		_, err := made.Filter(request(), principal(), candidates(ups))
		var output *engine.OutputError
		var outer *engine.FilterError
		if !errors.As(err, &output) || !errors.As(err, &outer) || outer.Variant != engine.FilterRuntime {
			t.Errorf("%s: %v, want invalid output", body, err)
			return
		}
		if e := scriptError(t, err); e.Line != 2 || !strings.HasPrefix(e.Message, want) || outer.Reason != e.Error() {
			t.Errorf("%s: %v (%s), want line 2 and %q", body, e, outer.Reason, want)
		}
	}
	f(``, "filter returned nothing, want a list of candidates")
	f(`return 5`, "filter returned the number 5, want a list of candidates")
	f(`return "up-0"`, `filter returned "up-0", want a list of candidates`)
	f(`return ctx`, "filter returned a ctx, want a list of candidates")
	f(`return {candidates[1], candidates[1]}`, `filter returned candidate "up-0" twice`)
	f(`return {"x"}`, `filter returned "x", want a candidate of this request`)
	f(`return {candidates[1], nil, candidates[2]}`, `filter returned nothing, want a candidate of this request`)
	f(`return {ctx}`, `filter returned a ctx, want a candidate of this request`)
	f(`return {keeps = {}}`, `filter returned a map with the key "keeps", want keep`)
	f(`return {keep = 5}`, `filter returned the number 5 under keep`)
	f(`return {keep = {}, reason = 5}`, `filter returned the number 5 under reason`)
	f(`return {keep = {}, reasons = {"x"}}`, `filter returned a list under reasons`)
	f(`return {deny = ""}`, `filter returned "" under deny`)
	f(`return filter`, `filter returned a function`)
}

func TestTrailingParametersMayBeLeftOut(t *testing.T) {
	t.Parallel()
	f := func(src string, want string) {
		t.Helper()
		made, err := lua.New().InstantiateFilter(manifest(files{"s.lua": src}, nil))
		if err == nil {
			_, err = made.Filter(request(), principal(), candidates(upstreams(1)))
		}
		got := ""
		if err != nil {
			got = err.Error()
		}
		if !strings.Contains(got, want) || want == "" && got != "" {
			t.Errorf("%s: %q, want %q", src, got, want)
		}
	}
	f(`function filter(ctx) return {deny = ctx.model} end`, "")
	f(`function filter(ctx, ...) assert(select("#", ...) == 2) return select(2, ...) end`, "")
	f(`function filter(...) assert(select("#", ...) == 3) return select(3, ...) end`, "")
	f(`function drop(ctx, principal) return principal.name end`, "")
	f(`filter = function(ctx, principal, candidates) return candidates end`, "")
	f(`function filter() return {} end`, "s.lua:1: filter takes 0 parameters, want filter(ctx, principal, candidates)")
	f("\nfunction filter(a, b, c, d) return {} end", "s.lua:2: filter takes 4 parameters")
	f("function filter(ctx) end\nfunction drop(ctx) end", "s.lua:2: defines both filter and drop, want one of them")
	f(`function route(ctx) end`, "s.lua: defines no filter or drop")
	f(`filter = 5`, "s.lua: defines no filter or drop")
	f(`filter = ipairs`, "s.lua: defines no filter or drop")
	f(`local function filter(ctx) end`, "s.lua: defines no filter or drop")
}

func TestDropAsksAboutEach(t *testing.T) {
	t.Parallel()
	ups := upstreams(10)
	f := filterFrom(t, manifest(files{"s.lua": short}, ups))
	out, err := f.Filter(request(), principal(), candidates(ups))
	if err != nil || len(out.KeptUpstreamIDs) != 9 || len(out.PerCandidateReasons) != 1 || out.Reason != "5h window is full" {
		t.Errorf("%+v, %v", out, err)
	}
	f = filterFrom(t, manifest(files{"s.lua": `function drop(ctx, principal, candidate) return true end`}, ups))
	if _, err := f.Filter(request(), principal(), candidates(ups)); err == nil || !strings.Contains(err.Error(), "s.lua:1: drop returned the bool true") {
		t.Errorf("error %v", err)
	}
}

func TestFilterIsItsBinding(t *testing.T) {
	t.Parallel()
	m := manifest(files{"s.lua": keepAll}, nil)
	m.Principal = "alice"
	f := filterFrom(t, m)
	if f.PluginName() != "test" || f.PluginID() != engine.NewIdentity("", "test").ID || f.SlotKey() != (engine.SlotKey{Principal: "alice", Plugin: "test"}) {
		t.Errorf("%q %v %v", f.PluginName(), f.PluginID(), f.SlotKey())
	}
}

func TestRouterPicksOne(t *testing.T) {
	t.Parallel()
	f := func(body, want string) {
		t.Helper()
		r, err := lua.New().InstantiateRouter(manifest(files{"s.lua": "function route(ctx, principal, candidates) " + body + " end"}, nil))
		if err != nil {
			t.Fatal(err)
		}
		d, err := r.Route(request(), principal(), candidates(upstreams(3)))
		got := ""
		if err != nil {
			got = err.Error()
		} else {
			got = d.Upstream.Name
		}
		if got != want {
			t.Errorf("%s: %q, want %q", body, got, want)
		}
	}
	f(`return candidates[2]`, "up-1")
	f(`return candidates[3].id`, "up-2")
	f(`return nil`, "router: no route: s.lua:1: route returned nothing, want a candidate of this request")
	f(`error("boom")`, "router: runtime error: s.lua:1: boom")
	if _, err := lua.New().InstantiateRouter(manifest(files{"s.lua": keepAll}, nil)); err == nil || !strings.Contains(err.Error(), "s.lua: defines no route") {
		t.Errorf("error %v", err)
	}
}

// dialectOf makes a dialect of one file.
func dialectOf(t testing.TB, src string) engine.Dialect {
	t.Helper()
	d, err := lua.New().InstantiateDialect(manifest(files{"s.lua": src}, nil))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestShapeEditsTheRequest(t *testing.T) {
	t.Parallel()
	d := dialectOf(t, `function shape(ctx, upstream, principal, request)
  request.url = request.url .. "&who=" .. principal.name
  request.method = "PUT"
  request.headers:set("x-model", upstream:model(ctx.model))
  request.headers:remove("anthropic-beta")
  request.body:set("metadata.user_id", upstream.name)
  request.body:set("tags", {"a", "b"})
  request.body:remove("big")
  request.state.seen = (request.state.seen or 0) + 1
  request.body:set("empty", {})
  request.body:set("list", json.array({}))
  request.body:set("none", request.state.seen)
end`)
	sent, err := runtimes.Shape(d, request(), principal(), candidates(upstreams(1))[0])
	if err != nil {
		t.Fatal(err)
	}
	got := sent.Method() + " " + sent.RequestURI() + " " + string(sent.Body())
	want := `PUT /v1/messages?beta=true&x=a%20b&who=alice {"model":"claude-sonnet-4-5","max_tokens":1024,"stream":true,` +
		`"messages":[{"role":"user","content":"hi"}],"metadata":{"user_id":"up-0"},"none":1,"half":0.5,"tags":["a","b"],"empty":{},"list":[]}`
	if got != want {
		t.Errorf("sent\n%s, want\n%s", got, want)
	}
	names := ""
	for i := range sent.HeaderLines() {
		names += sent.HeaderLine(i).Name + "=" + sent.HeaderLine(i).Value + " "
	}
	if names != "Anthropic-Version=2023-06-01 x-model=own-sonnet " {
		t.Errorf("headers %q", names)
	}
}

func TestShapeThatFailsEndsTheAttempt(t *testing.T) {
	t.Parallel()
	f := func(body, want string) {
		t.Helper()
		_, err := runtimes.Shape(dialectOf(t, "function shape(ctx, upstream, principal, request) "+body+" end"), request(), principal(),
			candidates(upstreams(1))[0])
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", body, err, want)
		}
	}
	f(`error("boom")`, "s.lua:1: boom")
	f(`return request`, "s.lua:1: shape returned a request, want nothing")
	f(`request.url = 5`, "s.lua:1: request.url is a number, want a string")
	f(`request.nope = 5`, `s.lua:1: request has no field "nope"`)
	f(`request.body = {}`, `s.lua:1: request.body cannot be assigned to, want its set(path, value), or replace(value)`)
	f(`request.headers:set("a b", "c")`, `header name "a b" is not a token`)
	f(`request.body:set("a.b.c", {1, nil, 3})`, `a list has nothing at position 2 of 3`)
	f(`request.url = "https://elsewhere.example/"`, "leaves upstream")
}

func TestARequestWithoutShapeGoesAsItIs(t *testing.T) {
	t.Parallel()
	d := dialectOf(t, `function normalize_error(status, body) end`)
	r := request()
	sent, err := runtimes.Shape(d, r, principal(), candidates(upstreams(1))[0])
	if err != nil || string(sent.Body()) != string(r.Body) {
		t.Errorf("%v, %v", sent, err)
	}
	if n, err := d.NormalizeError(500, nil, []byte("x")); n != nil || err != nil {
		t.Errorf("%v, %v", n, err)
	}
	d = dialectOf(t, `function shape(ctx, upstream, principal, request) end`)
	if n, err := d.NormalizeError(500, nil, []byte("x")); n != nil || err != nil {
		t.Errorf("%v, %v", n, err)
	}
	if _, err := lua.New().InstantiateDialect(manifest(files{"s.lua": keepAll}, nil)); err == nil ||
		!strings.Contains(err.Error(), "s.lua: defines no shape or normalize_error") {
		t.Errorf("error %v", err)
	}
}

func TestErrorsAreNormalized(t *testing.T) {
	t.Parallel()
	f := func(body, want string) {
		t.Helper()
		d := dialectOf(t, "function normalize_error(status, body, headers) "+body+" end")
		n, err := d.NormalizeError(429, engine.Headers{{Name: "X-Reason", Value: "slow"}}, []byte(`{"error":{"message":"too fast"}}`))
		got := ""
		switch {
		case err != nil:
			got = err.Error()
		case n != nil:
			got = fmt.Sprint(n.Status, " ", string(n.Body))
		}
		if got != want {
			t.Errorf("%s: %q, want %q", body, got, want)
		}
	}
	f(``, "")
	f(`return "text"`, "0 text")
	f(`return {type = "error", error = {message = body:get("error.message"), reason = headers["x-reason"]}}`,
		`0 {"type":"error","error":{"message":"too fast","reason":"slow"}}`)
	f(`return {status = status + 1, body = {a = 1}}`, `430 {"a":1}`)
	f(`return body:json()`, `0 {"error":{"message":"too fast"}}`)
	f(`return 5`, `dialect: unsupported request: s.lua:1: normalize_error returned the number 5, want a body, or {status, body}, or nothing`)
	f(`return {status = 200, body = "x"}`, `dialect: unsupported request: s.lua:1: normalize_error returned the number 200 as the status, want 400 to 599`)
	f(`return body.nope`, `dialect: unsupported request: s.lua:1: body has no field "nope", want type`)
}

func TestObserversSeeEvents(t *testing.T) {
	t.Parallel()
	m := manifest(files{"s.lua": `plugin = { name = "audit", events = {"chunk"} }
function observe(event)
  log(event.kind .. " " .. event.request_id .. " " .. event.now_ms)
  if event.kind == "request_finished" then log(event.status .. " " .. event.usage.output_tokens) end
  if event.kind == "error" then error(event.message) end
end`}, nil)
	got := ""
	m.Log = func(_ string, _ int, message string) { got += message + "\n" }
	o, err := lua.New().InstantiateObservability(m)
	if err != nil {
		t.Fatal(err)
	}
	head := engine.EventHead{RequestID: "r1", At: now}
	for _, ev := range []engine.ObserveEvent{engine.RequestStarted{EventHead: head},
		engine.RequestFinished{EventHead: head, Status: 200, Usage: engine.Usage{Known: true, OutputTokens: 7}}} {
		if err := o.Observe(ev); err != nil {
			t.Error(err)
		}
	}
	if want := "request_started r1 1772366400000\nrequest_finished r1 1772366400000\n200 7\n"; got != want {
		t.Errorf("logged %q, want %q", got, want)
	}
	err = o.Observe(engine.ErrorEvent{EventHead: head, Message: "bad"})
	if err == nil || err.Error() != "observer: dropped: s.lua:5: bad" {
		t.Errorf("error %v", err)
	}
	wants := o.(interface{ Wants(string) bool })
	if !wants.Wants("chunk") || !wants.Wants("error") {
		t.Error("it wants no chunks, though its plugin.events lists them")
	}
	o, err = lua.New().InstantiateObservability(manifest(files{"s.lua": `function observe(event) return 1 end`}, nil))
	if err != nil {
		t.Fatal(err)
	}
	if o.(interface{ Wants(string) bool }).Wants("chunk") {
		t.Error("it wants chunks, though nothing lists them")
	}
	if err := o.Observe(engine.RequestStarted{EventHead: head}); err == nil || !strings.Contains(err.Error(), "s.lua:1: observe returned the number 1, want nothing") {
		t.Errorf("error %v", err)
	}
}

func TestSignersAreBuiltIn(t *testing.T) {
	t.Parallel()
	if _, err := lua.New().InstantiateSignerFactory(manifest(files{}, nil)); !errors.Is(err, engine.ErrSignersAreBuiltIn) {
		t.Errorf("error %v", err)
	}
}

func TestAHookMayComeFromAnotherFile(t *testing.T) {
	t.Parallel()
	out, err := ask(t, files{"s.lua": `filter = require("filters.base").filter`, "filters/base.lua": keepAll})
	if err != nil || len(out.KeptUpstreamIDs) != 2 {
		t.Errorf("%v, %v", out, err)
	}
}
