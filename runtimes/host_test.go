package runtimes_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"sluice/engine"
	"sluice/engine/body"
	"sluice/runtimes"
)

func TestTheTablesHaveWhatTheContractNames(t *testing.T) {
	f := func(typ *runtimes.Type, want string) {
		t.Helper()
		if got := strings.Join(typ.Names(), " "); got != want {
			t.Errorf("%s has %s, want %s", typ.Name, got, want)
		}
	}
	f(runtimes.TypeCtx, "request_id session_id method path query headers model stream max_tokens service_tier attempt now_ms body random")
	f(runtimes.TypePrincipal, "id name kind claims")
	const upstream = "id name kind base_url region project weight priority labels healthy cooldown_ms breaker in_flight concurrency " +
		"error_rate ttfb_ms rate_limits quotas cache model utilization"
	f(runtimes.TypeCandidate, upstream)
	f(runtimes.TypeUpstream, upstream)
	f(runtimes.TypeRateLimit, "kind window limit remaining resets_ms")
	f(runtimes.TypeQuota, "window state status utilization resets_ms")
	f(runtimes.TypeHeaders, "all set add remove")
	f(runtimes.TypeBody, "size get has type raw values json set set_raw remove replace")
	f(runtimes.TypeRequest, "url method headers body state")
	f(runtimes.TypeResponse, "status headers body state")
	f(runtimes.TypeStreamEvent, "name data complete json")
	f(runtimes.TypeUsage, "input_tokens output_tokens cache_creation_input_tokens cache_read_input_tokens")
	f(runtimes.TypeT, "eq ok fails ctx principal candidate upstream request response event")

	event := func(ev engine.ObserveEvent, want string) {
		t.Helper()
		f(runtimes.OfEvent(ev).Type, "kind request_id now_ms "+want)
	}
	event(engine.RequestStarted{}, "method path user_agent")
	event(engine.AuthnComplete{}, "principal principal_kind")
	event(engine.UpstreamChosen{}, "upstream attempt")
	event(engine.Chunk{}, "index events bytes")
	event(engine.RequestFinished{}, "status code model upstream usage cost_usd ttfb_ms duration_ms attempts")
	event(engine.ErrorEvent{}, "code message source")
}

func TestTheHooksAndLibrariesAreThoseOfTheContract(t *testing.T) {
	var hooks, functions []string
	for _, h := range runtimes.Hooks {
		hooks = append(hooks, fmt.Sprintf("%s(%s)", h.Name, strings.Join(h.Params, ", ")))
	}
	for _, l := range runtimes.Libraries {
		for _, v := range l.Values {
			functions = append(functions, l.Name+"."+v.Name)
		}
		for _, m := range l.Functions {
			functions = append(functions, strings.TrimPrefix(l.Name+"."+m.Name, "."))
		}
	}
	f := func(got []string, want ...string) {
		t.Helper()
		if !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	f(hooks, "filter(ctx, principal, candidates)", "drop(ctx, principal, candidate)", "route(ctx, principal, candidates)",
		"shape(ctx, upstream, principal, request)", "normalize_error(status, body, headers)", "transform_response(ctx, response)", "transform_event(ctx, event, state)", "observe(event)")
	f(functions, "log", "hash", "json.null", "json.decode", "json.encode", "json.replace", "json.array",
		"re.test", "re.find", "re.find_all", "re.replace", "url.escape", "url.query")
}

func TestNamesThatATypeDoesNotHaveAreErrors(t *testing.T) {
	f := func(err error, want string) {
		t.Helper()
		if err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	f(runtimes.TypeCandidate.Unknown("nmae"), `candidate has no field "nmae", want name`)
	f(runtimes.TypeCandidate.ReadOnly("name"), "candidate.name is read-only")
	f(runtimes.TypeCandidate.ReadOnly("model"), "candidate.model is read-only")
	f(runtimes.TypeCandidate.ReadOnly("nmae"), `candidate has no field "nmae", want name`)
	f(runtimes.TypeHeaders.ReadOnly("x-a"), "headers cannot be assigned to by key, want set(name, value)")
	f(runtimes.TypeCtx.Stale(), "ctx was kept from an earlier call")
}

func TestReadingACandidatesFieldsAllocatesNothingButTexts(t *testing.T) {
	c, candidates := three(t)
	receiver := &runtimes.Candidate{UpstreamCandidate: &candidates[0], Call: c}
	for i := range runtimes.TypeCandidate.Fields {
		f := &runtimes.TypeCandidate.Fields[i]
		most := 0.0
		if f.Name == "id" || f.Name == "base_url" { // static: read once a generation
			most = 5
		}
		if n := testing.AllocsPerRun(100, func() { f.Get(receiver) }); n > most {
			t.Errorf("%s: %v allocations, want at most %v", f.Name, n, most)
		}
	}
	for i := range runtimes.TypeCtx.Fields {
		f := &runtimes.TypeCtx.Fields[i]
		made := &runtimes.Call{Request: runtimes.SampleRequest()}
		f.Get(made)
		if n := testing.AllocsPerRun(100, func() { f.Get(made) }); n > 0 {
			t.Errorf("ctx.%s: %v allocations the second time, want none", f.Name, n)
		}
	}
	_, m := runtimes.TypeCandidate.Lookup("utilization")
	args := []runtimes.Value{str("5h"), nothing}
	if n := testing.AllocsPerRun(100, func() { _, _ = m.Call(c, receiver, args) }); n > 0 {
		t.Errorf("utilization: %v allocations, want none", n)
	}
}

func TestStaticFieldsDoNotNeedWhatWasObserved(t *testing.T) {
	for _, u := range runtimes.SampleUpstreams() {
		full := runtimes.NewUpstream(&runtimes.Call{}, u)
		bare := &runtimes.Candidate{UpstreamCandidate: &engine.UpstreamCandidate{Upstream: u, Vitals: &engine.Vitals{}}}
		for i := range runtimes.TypeUpstream.Fields {
			f := &runtimes.TypeUpstream.Fields[i]
			if f.Static && jsonOf(t, f.Get(full)) != jsonOf(t, f.Get(bare)) {
				t.Errorf("%s is static and differs", f.Name)
			}
		}
	}
}

func TestABodyUsesWhatWasLearnedWhenItWasScanned(t *testing.T) {
	r := runtimes.SampleRequest()
	top, err := body.Scan([]byte(`{"model":"from the index"}`))
	if err != nil {
		t.Fatal(err)
	}
	r.Index = &top
	c := &runtimes.Call{Request: r}
	v, err := call(t, c, runtimes.TypeBody, runtimes.BodyOf(c), "get", str("model"))
	if err != nil || v.Str != "from the index" {
		t.Errorf("got %q, %v", v.Str, err)
	}
}

func TestAskingABodyForAScalarAllocatesLittle(t *testing.T) {
	c := &runtimes.Call{Request: runtimes.SampleRequest()}
	_, get := runtimes.TypeBody.Lookup("get")
	f := func(path string, most float64) {
		t.Helper()
		args := []runtimes.Value{str(path), nothing}
		if n := testing.AllocsPerRun(100, func() { _, _ = get.Call(c, runtimes.BodyOf(c), args) }); n > most {
			t.Errorf("%s: %v allocations, want at most %v", path, n, most)
		}
	}
	f("max_tokens", 1)
	f("stream", 1)
	f("messages.0.role", 2)
}

func TestARequestIsSharedUntilItIsEdited(t *testing.T) {
	r := runtimes.SampleRequest()
	r.Headers.Add("x-a", "1")
	before := r.Headers.Clone(0)
	c := &runtimes.Call{Request: r}
	u := runtimes.SampleUpstreams()[0]
	req := runtimes.NewRequest(c, u)
	if d := req.Draft(); &d.Body[0] != &r.Body[0] || &d.Headers[0] != &r.Headers[0] {
		t.Error("a request that nobody edited was copied")
	}
	headers, bodyOf := field(t, runtimes.TypeRequest, req, "headers").Ref, field(t, runtimes.TypeRequest, req, "body").Ref
	for _, step := range []struct {
		typ      *runtimes.Type
		receiver any
		method   string
		args     []runtimes.Value
	}{
		{runtimes.TypeHeaders, headers, "set", []runtimes.Value{str("X-A"), str("2")}},
		{runtimes.TypeHeaders, headers, "add", []runtimes.Value{str("x-b"), str("3")}},
		{runtimes.TypeBody, bodyOf, "set", []runtimes.Value{str("model"), str("own")}},
	} {
		if _, err := call(t, c, step.typ, step.receiver, step.method, step.args...); err != nil {
			t.Fatal(err)
		}
	}
	d := req.Draft()
	if d.Headers.Get("x-a") != "2" || d.Headers.Get("x-b") != "3" || !strings.Contains(string(d.Body), `"model":"own"`) {
		t.Errorf("the draft is %v and %s", d.Headers, d.Body)
	}
	if !slices.Equal(r.Headers, before) || strings.Contains(string(r.Body), `"own"`) {
		t.Error("the request as it came was edited")
	}
}

func TestAnAssignmentIsChecked(t *testing.T) {
	c := &runtimes.Call{Request: runtimes.SampleRequest()}
	req := runtimes.NewRequest(c, runtimes.SampleUpstreams()[0])
	url, _ := runtimes.TypeRequest.Lookup("url")
	const below = "https://bedrock-runtime.us-east-1.amazonaws.com/x"
	if err := url.Set(req, str(below)); err != nil || req.Draft().URL != below {
		t.Errorf("got %q, %v", req.Draft().URL, err)
	}
	f := func(v runtimes.Value, want string) {
		t.Helper()
		if err := url.Set(req, v); err == nil || err.Error() != want || req.Draft().URL != below {
			t.Errorf("got %v and %s, want %s", err, req.Draft().URL, want)
		}
	}
	f(num(5), "request.url is a number, want a string")
	f(str("https://x.example/"), `url "https://x.example/" leaves upstream "bedrock", `+
		`want an origin of https://bedrock-runtime.us-east-1.amazonaws.com:443 or one of allow_origins`)
}

func TestHeadersAreAMapOfNamesWithoutCredentials(t *testing.T) {
	h := runtimes.NewHeaders(&runtimes.Call{}, engine.Headers{
		{Name: "Authorization", Value: "s"}, {Name: "X-A", Value: "1"}, {Name: "x-a", Value: "2"}, {Name: "X-Goog-Api-Key",
			Value: "s"}, {Name: "y", Value: ""},
	})
	var names []string
	h.Each(func(name string, v runtimes.Value) bool {
		names = append(names, name+"="+v.Str)
		return true
	})
	if got := strings.Join(names, " "); got != "x-a=1 y=" || h.Len() != 2 {
		t.Errorf("got %q and the length %d", got, h.Len())
	}
	if v, ok := runtimes.TypeHeaders.Index(h, "y"); !ok || v.Kind != runtimes.String {
		t.Error("an empty header is nothing")
	}
	if _, ok := runtimes.TypeHeaders.Index(h, "authorization"); ok {
		t.Error("a credential is seen")
	}
}

func TestBuildersTakeWhatTheContractDocuments(t *testing.T) {
	c := &runtimes.Call{Now: runtimes.SampleNow()}
	f := func(fields, read, want string) {
		t.Helper()
		made, err := runtimes.NewCandidate(c, "a", parsed(t, fields))
		got := ""
		if err != nil {
			got = err.Error()
		} else {
			got = jsonOf(t, field(t, runtimes.TypeCandidate, made, read))
		}
		if got != want {
			t.Errorf("%s: got %s, want %s", fields, got, want)
		}
	}
	f(`{}`, "id", `"9f2e1ba2-4b35-5eef-bef8-9afde6d09d55"`)
	f(`{"id": "00000000-0000-4000-8000-000000000001"}`, "id", `"00000000-0000-4000-8000-000000000001"`)
	f(`{"id": "x"}`, "id", `candidate: id is "x", want the text of a uuid`)
	f(`{"base_url": "no"}`, "id", `candidate: base_url is "no", want an absolute url`)
	f(`{"weight": 1.5}`, "id", `candidate: weight is a number, want a whole number`)
	f(`{"healthy": 1}`, "id", `candidate: healthy is a number, want a bool`)
	f(`{"labels": []}`, "id", `candidate: labels is a list, want a map`)
	f(`{"labels": {"a": {"b": [1]}}}`, "labels", `{"a":{"b":[1]}}`)
	f(`{"models": {"a": {"b": 1}}}`, "id", `candidate: models has a map under "a", want a text`)
	f(`{"quota": {}}`, "id", `candidate has no field "quota", want quotas`)
	f(`{"quotas": {"5h": 1.5}}`, "id", `quota: utilization is 1.5, want 0 to 1`)
	f(`{"quotas": {"5h": {"utilization": -0.1}}}`, "id", `quota: utilization is -0.1, want 0 to 1`)
	f(`{"error_rate": 2}`, "id", `candidate: error_rate is 2, want 0 to 1`)
	f(`{"quotas": 5}`, "id", `candidate: quotas is a number, want a map`)
	f(`{"quotas": {"5h": "full"}}`, "id", `quota: a string, want a map of its fields`)
	f(`{"quotas": {"5h": {"state": "old"}}}`, "id", `quota: state is "old", want fresh, stale or missing`)
	f(`{"rate_limits": {"requests": {"limt": 1}}}`, "id", `rate_limit has no field "limt", want limit`)
	f(`{"cooldown_ms": "1s"}`, "id", `candidate: cooldown_ms is a string, want a number of milliseconds`)
	f(`{"concurrency": 0}`, "concurrency", `null`)
	f(`{"cache": 5}`, "cache", `5`)
	f(`{"ttfb_ms": 0}`, "ttfb_ms", `0`)
}

func TestACtxReadsTheBodyThatItIsGiven(t *testing.T) {
	c := &runtimes.Call{Now: runtimes.SampleNow()}
	f := func(fields, want string) {
		t.Helper()
		made, err := runtimes.NewCtx(c, parsed(t, fields))
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		for _, name := range []string{"model", "stream", "max_tokens", "service_tier"} {
			got += jsonOf(t, field(t, runtimes.TypeCtx, made, name)) + " "
		}
		if strings.TrimSpace(got) != want {
			t.Errorf("%s: got %s, want %s", fields, got, want)
		}
	}
	f(`{}`, `"claude-sonnet-4-5" true 32000 null`)
	f(`{"model": "m"}`, `"m" true 32000 null`)
	f(`{"body": {"model": "m", "stream": true, "max_tokens": 5, "service_tier": "auto"}}`, `"m" true 5 "auto"`)
	f(`{"body": {"model": "m"}, "model": "n"}`, `"n" false null null`)
	f(`{"body": "not JSON"}`, `null false null null`)
}

func TestAQueryIsReadAsItIsAskedFor(t *testing.T) {
	r := &engine.RequestContext{Query: "a=1&&b=x+y&a=2&bad=%zz&c"}
	q := field(t, runtimes.TypeCtx, &runtimes.Call{Request: r}, "query")
	if got := jsonOf(t, q); got != `{"a":"1","b":"x y","c":""}` {
		t.Errorf("got %s", got)
	}
	if n := q.Ref.(runtimes.Mapper).Len(); n != 3 {
		t.Errorf("%d names, want 3", n)
	}
	if _, ok := q.Ref.(runtimes.Mapper).Get("bad"); ok {
		t.Error("a pair that does not decode is there")
	}
}

// A query is decoded once a call, which pays for it. One of another text is another.
func TestAQueryIsDecodedOnce(t *testing.T) {
	spent := int64(0)
	r := &engine.RequestContext{Query: strings.Repeat("a=1&", 4000) + "b=2"}
	c := &runtimes.Call{Request: r, Spend: func(steps int64) error { spent += steps; return nil }}
	for range 100 {
		if v, ok := field(t, runtimes.TypeCtx, c, "query").Ref.(runtimes.Mapper).Get("b"); !ok || v.Str != "2" {
			t.Fatalf("got %v, %v", v, ok)
		}
	}
	if most := int64(len(r.Query)); spent == 0 || spent > most {
		t.Errorf("%d steps, want one to %d", spent, most)
	}
	r.Query = "b=3"
	if v, _ := field(t, runtimes.TypeCtx, c, "query").Ref.(runtimes.Mapper).Get("b"); v.Str != "3" {
		t.Errorf("got %q of another query", v.Str)
	}
}
