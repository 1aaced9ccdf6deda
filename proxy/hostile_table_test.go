package proxy_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/valyala/fasthttp"

	"sluice/engine"
	"sluice/engine/body"
	"sluice/engine/limits"
	"sluice/proxy"
)

// bystander is the client "bob" with a stream open on an upstream of his own, while "alice" asks for trouble. He sees all of his
// stream, to the letter, whatever becomes of hers.
type bystander struct {
	r      *rig
	c      *client
	stream *http.Response
	goOn   chan struct{}
}

// bobsRow is the number of rows in the ledger that are bob's, when he is done.
const bobsRow = 1

// withBystander makes a rig whose alice reaches the upstream "hers" only.
func withBystander(t *testing.T, hers *engine.Upstream) (*rig, *bystander) {
	t.Helper()
	b := &bystander{goOn: make(chan struct{})}
	calm := plays(t, func(s *stage) {
		if _, more := s.next(); !more {
			return
		}
		s.say(eventHead + chunk(start))
		<-b.goOn
		s.say(chunk(delta) + chunk(usage+stop) + lastChunk)
	}).upstream("calm")
	b.r = newRig(t, hers, calm)
	b.r.alice.Upstreams = map[uuid.UUID]bool{hers.ID: true}
	b.r.keys["bob-key"] = &engine.Principal{ID: "bob", Name: "bob", Paths: []string{"*"}, OwnFilters: true,
		Upstreams: map[uuid.UUID]bool{calm.ID: true}}
	return b.r, b
}

var bobAsks = strings.Replace(request("POST", "/v1/messages", helloStream, "x-api-key: bob-key"), "sluice.test", "localhost", 1)

// open returns when bob has the beginning of his stream.
func (b *bystander) open(t *testing.T) {
	t.Helper()
	b.c = b.r.dial().send(bobAsks)
	b.stream = b.c.head("POST")
	got := make([]byte, len(start))
	if _, err := io.ReadFull(b.stream.Body, got); err != nil || string(got) != start {
		t.Fatalf("the bystander's stream begins with %q, %v", got, err)
	}
}

// finish lets bob's stream end, and checks it.
func (b *bystander) finish(t *testing.T) {
	t.Helper()
	close(b.goOn)
	rest, err := io.ReadAll(b.stream.Body)
	if string(rest) != delta+usage+stop || err != nil {
		t.Errorf("the bystander's stream goes on with %q, %v", rest, err)
	}
}

// rowsBut returns the rows of all but bob, when all have theirs.
func (b *bystander) rowsBut(t *testing.T, n int) []*engine.Record {
	t.Helper()
	rows := b.r.ledger.wait(t, n+bobsRow)
	bobs := slices.IndexFunc(rows, func(r *engine.Record) bool { return r.Principal == "bob" })
	if bobs < 0 || rows[bobs].Status != 200 || rows[bobs].Code != "" {
		t.Fatalf("the bystander has no good row among %d", len(rows))
	}
	return slices.Delete(rows, bobs, bobs+1)
}

// errorRow is a row of the table as a client sees it.
type errorRow struct {
	code   engine.Code
	kind   string
	retry  string // retry-after, or least..most
	should string // x-should-retry
	status int
	closes bool // the connection must end; else it may
}

// check holds an answer against the row, and that the connection does what the answer says of it.
func (w errorRow) check(t *testing.T, c *client, got reply) {
	t.Helper()
	want(t, "status line", got.Proto+" "+got.Status, fmt.Sprint("HTTP/1.1 ", w.status, " ", fasthttp.StatusMessage(w.status)))
	want(t, "code", engine.Code(got.Header.Get("x-sluice-error")), w.code)
	if least, most, wide := strings.Cut(w.retry, ".."); !wide {
		want(t, "retry-after", got.Header.Get("retry-after"), w.retry)
	} else if after := got.Header.Get("retry-after"); len(after) != len(least) || after < least || after > most {
		t.Errorf("retry-after: got %q, want %s", after, w.retry)
	}
	want(t, "x-should-retry", got.Header.Get("x-should-retry"), w.should)
	want(t, "content-type", got.Header.Get("content-type"), "application/json")
	var said struct {
		Type  string
		Error struct{ Type, Message string }
		ID    string `json:"request_id"`
	}
	if err := json.Unmarshal([]byte(got.body), &said); err != nil {
		t.Fatalf("body %q: %v", got.body, err)
	}
	shape := fmt.Sprintf(`{"type":"error","error":{"type":%q,"message":%s},"request_id":%q}`, w.kind, body.AppendString(nil,
		said.Error.Message),
		got.Header.Get("request-id"))
	want(t, "body", got.body, shape)
	if said.Error.Message == "" || said.ID == "" || strings.Contains(got.body, "alice-key") || strings.Contains(got.body, "provider-key") {
		t.Errorf("no message, no id or a key: %s", got.body)
	}
	if w.closes && !got.Close {
		t.Error("it does not say connection: close")
	}
	switch {
	case got.Close && !c.ended():
		t.Error("it says connection: close, and goes on")
	case !got.Close:
		want(t, "the next request", c.send(request("HEAD", "/", "")).read("HEAD").StatusCode, 200)
	}
}

// trouble is one way to be refused. The upstream "hers" answers every request with "{}" unless arrange changes that.
type trouble struct {
	name    string
	row     errorRow
	request string
	arrange func(r *rig, hers *engine.UpstreamSlot)
	says    string // part of the message
}

// run provokes the row beside a bystander.
func (c trouble) run(t *testing.T) {
	t.Parallel()
	u := plays(t, answers(ok("{}"))).upstream("hers")
	r, bob := withBystander(t, u)
	if c.arrange != nil {
		slot := slices.IndexFunc(r.gen.Upstreams, func(s *engine.UpstreamSlot) bool { return s.Name == "hers" })
		c.arrange(r, r.gen.Upstreams[slot])
	}
	r.start()
	bob.open(t)
	alice := r.dial()
	if c.row.code == engine.CodeDraining {
		alice.send(request("HEAD", "/", "")).read("HEAD") // it was taken before
		done := r.shutdown()
		defer func() { <-done }()
	}
	got := alice.send(c.request).read("POST")
	c.row.check(t, alice, got)
	alice.nc.Close()
	if !strings.Contains(got.body, c.says) {
		t.Errorf("the message says %s, want %q in it", got.body, c.says)
	}
	bob.finish(t)
	row := bob.rowsBut(t, 1)[0]
	want(t, "row", fmt.Sprint(row.Status, row.Code, row.RequestID), fmt.Sprint(c.row.status, c.row.code,
		got.Header.Get("request-id")))
}

// row is a row of the table, with what comes along.
func row(code engine.Code, status int, kind string, also ...string) errorRow {
	w := errorRow{code: code, status: status, kind: kind}
	for _, a := range also {
		name, value, _ := strings.Cut(a, ": ")
		switch name {
		case "retry-after":
			w.retry = value
		case "x-should-retry":
			w.should = value
		case "connection":
			w.closes = true
		}
	}
	return w
}

func TestEveryRowOfTheErrorTableIsWhatItsClientGets(t *testing.T) {
	t.Parallel()
	all := slices.Concat(troublesOfTheHead(), troublesOfTheBody(), troublesOfPolicy(), troublesOfLimits(), troublesUpstream())
	missing := proxy.Codes()
	for _, c := range all {
		missing = slices.DeleteFunc(missing, func(m engine.Code) bool { return m == c.row.code })
		t.Run(string(c.row.code)+" "+c.name, c.run)
	}
	if !slices.Equal(missing, []engine.Code{engine.CodeClientGone}) { // nobody is there to get it
		t.Errorf("not provoked: %q", missing)
	}
}

func troublesOfTheHead() []trouble {
	badKey := row(engine.CodeBadKey, 401, "authentication_error", "x-should-retry: false")
	disabled := row(engine.CodePrincipalDisabled, 403, "permission_error")
	path := row(engine.CodePathNotAllowed, 403, "permission_error")
	origin := row(engine.CodeForbiddenOrigin, 403, "permission_error")
	bad := row(engine.CodeBadRequest, 400, "invalid_request_error", "connection: close")
	narrow := func(r *rig, _ *engine.UpstreamSlot) { r.alice.Paths = []string{"/v1/messages"} }
	local := func(r *rig, _ *engine.UpstreamSlot) { r.options.LoopbackOnly = true }
	return []trouble{
		{name: "none", row: badKey, request: request("POST", "/v1/messages", hello), says: "no key"},
		{name: "unknown", row: badKey, request: request("POST", "/v1/messages", hello, "x-api-key: wrong")},
		{name: "two", row: badKey, request: post("/v1/messages", hello, "Authorization: Bearer bob-key"),
			says: "two different keys"},
		{name: "principal", row: disabled, request: post("/v1/messages", hello), says: `\"alice\"`,
			arrange: func(r *rig, _ *engine.UpstreamSlot) { r.alice.Disabled = true }},
		{name: "not listed", row: path, request: post("/v1/files", hello), arrange: narrow, says: "/v1/files"},
		{name: "reserved", row: path, request: post("/v1/organizations/x", hello), says: "/v1/organizations/x",
			arrange: func(r *rig, _ *engine.UpstreamSlot) { r.alice.Paths = []string{"/v1/*"} }},
		{name: "host", row: origin, request: post("/v1/messages", hello), arrange: local},
		{name: "origin", row: origin, request: strings.Replace(post("/v1/messages", hello, "Origin: https://x"), "sluice.test",
			"localhost", 1), arrange: local},
		{name: "dots", row: bad, request: post("/v1/../v1/messages", hello), says: "path"},
		{name: "escaped", row: bad, request: post("/v1/%6dessages", hello), says: "path"},
		{name: "length and chunks", row: bad, request: post("/v1/messages", hello, "Transfer-Encoding: chunked"),
			says: "exclude each other"},
		{name: "address", row: bad, request: post("http://sluice.test/v1/messages", hello), says: "path"},
		{name: "method that echoes", row: bad, request: request("TRACE", "/v1/messages", "", "x-api-key: alice-key"),
			says: "TRACE"},
		{name: "method without end", row: bad, request: request(strings.Repeat("X", 40), "/v1/messages", "",
			"x-api-key: alice-key"), says: "method"},
		{name: "method of marks", row: bad, request: request("get", "/v1/messages", "", "x-api-key: alice-key"), says: "method"},
		{name: "folded line", row: bad, request: post("/v1/messages", hello, "X-A: b\r\n c"), says: "header"},
		{name: "name with a space", row: bad, request: post("/v1/messages", hello, "X A: b"), says: "header"},
	}
}

func troublesOfTheBody() []trouble {
	bad := row(engine.CodeBadBody, 400, "invalid_request_error")
	slow := row(engine.CodeClientTimeout, 400, "invalid_request_error", "connection: close")
	large := row(engine.CodeBodyTooLarge, 413, "request_too_large")
	busy := row(engine.CodeTooBusy, 529, "overloaded_error", "retry-after: 1")
	small := func(r *rig, _ *engine.UpstreamSlot) { r.gen.Limits.Body = 1000 }
	pinch := func(r *rig, _ *engine.UpstreamSlot) { r.gen.Limits.BodiesTotal = int64(len(helloStream)) }
	hasty := func(r *rig, _ *engine.UpstreamSlot) { r.gen.Timeouts.ClientBody = 30 * time.Millisecond }
	return []trouble{
		{name: "cut", row: bad, request: post("/v1/messages", hello[:30]), says: "offset"},
		{name: "too deep", row: bad, request: post("/v1/messages", `{"a":`+strings.Repeat("[", 256)+strings.Repeat("]", 256)+"}"),
			says: "offset"},
		{name: "a key twice", row: bad, request: post("/v1/messages", `{"model":"a","model":"b"}`), says: "offset"},
		{name: "encoded", row: bad, request: post("/v1/messages", hello, "Content-Encoding: gzip"), says: "identity"},
		{name: "malformed chunks", row: row(engine.CodeBadRequest, 400, "invalid_request_error", "connection: close"),
			request: chunkedPost + "zz\r\n", says: "chunked"},
		{name: "of known length", row: slow, request: headless("/v1/messages", "x-api-key: alice-key") + "{", arrange: hasty},
		{name: "in chunks", row: slow, request: chunkedPost + "5\r\n{", arrange: hasty},
		{name: "announced", row: large, request: strings.Replace(headless("/v1/messages", "x-api-key: alice-key"), "100", "1001",
			1),
			arrange: small, says: "1000"},
		{name: "expected", row: large, request: strings.Replace(headless("/v1/messages", "x-api-key: alice-key",
			"Expect: 100-continue"), "Length: 100",
			"Length: 1001", 1), arrange: small, says: "1000"},
		{name: "in chunks", row: large, request: chunkedPost + chunk(strings.Repeat("x", 1001)) + lastChunk, arrange: small,
			says: "1000"},
		{name: "streams", row: busy, request: headless("/v1/messages", "x-api-key: alice-key"),
			arrange: func(r *rig, _ *engine.UpstreamSlot) { r.gen.Limits.Streams = 1 }},
		{name: "bodies", row: busy, request: headless("/v1/messages", "x-api-key: alice-key"), arrange: pinch},
		{name: "bodies in chunks", row: busy, request: chunkedPost + chunk(hello) + lastChunk, arrange: pinch},
	}
}

func troublesOfPolicy() []trouble {
	decide := func(policy engine.FailurePolicy, out engine.FilterOutput, err error) func(*rig, *engine.UpstreamSlot) {
		return func(r *rig, _ *engine.UpstreamSlot) {
			r.filter(func(*engine.RequestContext, *engine.Principal, []engine.UpstreamCandidate) (engine.FilterOutput, error) {
				return out, err
			})
			r.gen.Filters[0].Policy = policy
		}
	}
	model := row(engine.CodeModelNotAllowed, 403, "permission_error")
	models := func(r *rig, _ *engine.UpstreamSlot) { r.alice.Models = []string{"claude-y"} }
	failed := row(engine.CodeFilterFailed, 503, "overloaded_error")
	broken := &engine.FilterError{Variant: engine.FilterRuntime, Reason: "no such field"}
	twice := engine.FilterOutput{KeptUpstreamIDs: []uuid.UUID{upstream("hers", "http://x").ID, upstream("hers", "http://x").ID}}
	return []trouble{
		{name: "asked", row: model, request: post("/v1/messages", hello), arrange: models, says: `\"claude-x\"`},
		{name: "in a fallback", row: model, request: post("/v1/messages", `{"model":"claude-y","fallbacks":[{"model":"gpt"}]}`),
			arrange: models, says: `\"gpt\"`},
		{name: "in the path", row: model, request: request("GET", "/v1/models/gpt", "", "x-api-key: alice-key"), arrange: models,
			says: `\"gpt\"`},
		{name: "with a reason", row: row(engine.CodeDeniedByFilter, 403, "permission_error"), request: post("/v1/messages", hello),
			arrange: decide(engine.FailOpen, engine.FilterOutput{Denied: true, Reason: "not on a Sunday"}, nil),
			says:    "not on a Sunday"},
		{name: "with a reason", row: row(engine.CodeNoUpstreamAfterFilter, 503, "overloaded_error"), request: post("/v1/messages",
			hello),
			arrange: decide(engine.FailOpen, engine.FilterOutput{Reason: "5h window is full"}, nil),
			says:    `filter \"played\" kept no upstream: 5h window is full`},
		{name: "by an error", row: failed, request: post("/v1/messages", hello), arrange: decide(engine.FailClosed,
			engine.FilterOutput{}, broken), says: `\"played\"`},
		{name: "by its output", row: failed, request: post("/v1/messages", hello), arrange: decide(engine.FailClosed, twice, nil),
			says: `\"played\"`},
		{name: "by an error", row: row(engine.CodeRouterFailed, 502, "api_error"), request: post("/v1/messages", hello),
			says: `\"lost\"`,
			arrange: func(r *rig, _ *engine.UpstreamSlot) {
				r.gen.Router = &engine.RouterSlot{Router: lostFor("alice"), Name: "lost", Meter: &engine.Meter{}}
			}},
		{name: "a panic", row: row(engine.CodeInternal, 500, "api_error", "connection: close"), request: post("/v1/messages",
			hello),
			arrange: func(r *rig, _ *engine.UpstreamSlot) {
				r.filter(func(*engine.RequestContext, *engine.Principal, []engine.UpstreamCandidate) (engine.FilterOutput, error) {
					panic("boom")
				})
			}},
		{name: "a new request", row: row(engine.CodeDraining, 503, "overloaded_error", "retry-after: 1", "connection: close"),
			request: post("/v1/messages", hello)},
	}
}

// limited is a keyring whose keys have limits.
type limited struct {
	engine.KeyLookup
	limiter engine.Limiter
}

func (l limited) Lookup(key string, now time.Time) (engine.Grant, error) {
	grant, err := l.KeyLookup.Lookup(key, now)
	if grant.Principal != nil && grant.Principal.Name == "alice" {
		grant.Limiter = l.limiter
	}
	return grant, err
}

// dear makes each token cost a dollar.
type dear struct{}

func (dear) Cost(model string, u engine.Usage) (int64, bool) {
	return (u.InputTokens + u.OutputTokens) * 1e6, model == "claude-x"
}

// limitedTo gives alice one limit, of which nothing is left for ten minutes.
func limitedTo(kind limits.Kind, window time.Duration, max int64) func(*rig, *engine.UpstreamSlot) {
	return func(r *rig, _ *engine.UpstreamSlot) {
		now := time.Now()
		set := limits.NewBook(now).Set(limits.Holder{Principal: "alice", Rules: []limits.Rule{{Kind: kind, Window: window, Max: max}}}, dear{})
		held, err := set.Reserve(now, engine.Demand{Model: "claude-x"})
		if err != nil {
			r.t.Fatal(err)
		}
		if kind != limits.Concurrency {
			held.Settle(now, engine.Spent{Usage: engine.Usage{Known: true, InputTokens: max, OutputTokens: max}, Whole: true})
		}
		r.gen.Keys = limited{r.keys, set}
	}
}

func troublesOfLimits() []trouble {
	const tenMinutes = 10 * time.Minute
	limit := func(code engine.Code, retry string) errorRow {
		return row(code, 429, "rate_limit_error", "retry-after: "+retry, "x-should-retry: false")
	}
	message := post("/v1/messages", hello)
	soon := row(engine.CodeLimitConcurrency, 429, "rate_limit_error", "retry-after: 1")
	return []trouble{
		{name: "", row: limit(engine.CodeLimitRequests, "550..610"), request: message, arrange: limitedTo(limits.Requests, tenMinutes, 1),
			says: "this principal has reached its limit of 1 requests in 10m0s (free again at "},
		{name: "", row: limit(engine.CodeLimitInputTokens, "550..610"), request: message, arrange: limitedTo(limits.InputTokens, tenMinutes, 5)},
		{name: "", row: limit(engine.CodeLimitOutputTokens, "550..610"), request: message, arrange: limitedTo(limits.OutputTokens, tenMinutes, 5)},
		{name: "", row: limit(engine.CodeLimitTotalTokens, "550..610"), request: message, arrange: limitedTo(limits.TotalTokens, tenMinutes, 5)},
		{name: "", row: limit(engine.CodeLimitCostUSD, "550..610"), request: message, arrange: limitedTo(limits.CostUSD, tenMinutes, 5),
			says: "0.000005 dollars"},
		{name: "", row: soon, request: message, arrange: limitedTo(limits.Concurrency, 0, 1), says: "1 requests at once"},
		{name: "no price", row: row(engine.CodeModelNotAllowed, 403, "permission_error"), arrange: limitedTo(limits.CostUSD, tenMinutes, 5),
			request: post("/v1/messages", strings.Replace(hello, "claude-x", "claude-y", 1)), says: "has no price"},
	}
}

func troublesUpstream() []trouble {
	unserved := row(engine.CodePathNotServed, 404, "not_found_error")
	unreachable := row(engine.CodeUpstreamUnreachable, 502, "api_error")
	late := row(engine.CodeUpstreamTimeout, 504, "timeout_error")
	unsent := row(engine.CodeBadKey, 401, "authentication_error", "x-should-retry: false")
	message := post("/v1/messages", hello)
	forwards := func(_ *rig, hers *engine.UpstreamSlot) { hers.ForwardsClient = true }
	acts := func(act func(*stage)) func(*rig, *engine.UpstreamSlot) {
		return func(r *rig, hers *engine.UpstreamSlot) {
			hers.BaseURL = plays(r.t, act).upstream("hers").BaseURL
			hers.Timeouts.ResponseHeader = 50 * time.Millisecond
		}
	}
	says := func(text string) func(*stage) {
		return func(s *stage) {
			s.next()
			s.say(text)
			s.gone()
		}
	}
	return []trouble{
		{name: "by its kind", row: unserved, request: request("GET", "/v1/files", "", "x-api-key: alice-key"), says: "/v1/files",
			arrange: func(_ *rig, hers *engine.UpstreamSlot) { hers.Kind = engine.KindBedrockRuntime }},
		{name: "none is reached", row: row(engine.CodeNoUpstreamAvailable, 529, "overloaded_error"), request: message,
			says:    `\"alice\"`,
			arrange: func(r *rig, _ *engine.UpstreamSlot) { r.alice.Upstreams = map[uuid.UUID]bool{{}: true} }},
		{name: "of the client's own", row: unsent, request: message, says: "send the key as x-sluice-key", arrange: forwards},
		{name: "of the client's own, beside the key", row: unsent, request: request("POST", "/v1/messages", hello, "x-sluice-key: alice-key"),
			says: "the credential as x-api-key or Authorization: Bearer", arrange: forwards},
		{name: "on all", row: row(engine.CodeDialectFailed, 502, "api_error"), request: message, says: `\"hers\"`,
			arrange: func(_ *rig, hers *engine.UpstreamSlot) { hers.Dialect.Dialect = mute{} }},
		{name: "on all", row: row(engine.CodeSignerFailed, 502, "api_error"), request: message, says: `\"hers\"`,
			arrange: func(_ *rig, hers *engine.UpstreamSlot) { hers.Signers = penniless{} }},
		{name: "401 of ours", row: row(engine.CodeUpstreamCredential, 502, "api_error"), request: message, says: `\"hers\"`,
			arrange: acts(answers(strings.Replace(ok(`{"provider-key":1}`), "200 OK", "401 Unauthorized", 1)))},
		{name: "nobody listens", row: unreachable, request: message, says: `\"hers\"`,
			arrange: func(_ *rig, hers *engine.UpstreamSlot) { hers.BaseURL = upstream("hers", "http://127.0.0.1:1").BaseURL }},
		{name: "it hangs up", row: unreachable, request: message, arrange: acts(func(s *stage) { s.next() })},
		{name: "it talks nonsense", row: unreachable, request: message, arrange: acts(says("220 mail.example ESMTP\r\n\r\n"))},
		{name: "no head", row: late, request: message, arrange: acts(says("")), says: `\"hers\"`},
		{name: "half a head", row: late, request: message, arrange: acts(says("HTTP/1.1 200 OK\r\nX: ")), says: `\"hers\"`},
	}
}

// lostFor is a router that fails for one principal, and takes the first candidate for the others.
type lostFor string

func (l lostFor) Route(_ *engine.RequestContext, p *engine.Principal, c []engine.UpstreamCandidate) (engine.RouteDecision, error) {
	if p.Name == string(l) {
		return engine.RouteDecision{}, &engine.RouteError{Variant: engine.RouteNoRoute, Reason: "lost"}
	}
	return engine.RouteDecision{UpstreamID: c[0].ID, Upstream: c[0].Upstream}, nil
}

// mute is a dialect that has no word for any request.
type mute struct{ engine.Passthrough }

func (mute) Shape(*engine.RequestContext, *engine.Upstream, *engine.Principal, *engine.ShapedRequestBuilder) (engine.Shaped,
	error) {
	return engine.Shaped{}, &engine.DialectError{Variant: engine.DialectUnsupportedRequest, Reason: "no word for it"}
}

// penniless has no credential to sign with.
type penniless struct{}

func (penniless) Build(context.Context, *engine.Upstream) (engine.Signer, error) {
	return nil, &engine.SignerError{Variant: engine.SignerMissingCredentials, Reason: "none is there"}
}
