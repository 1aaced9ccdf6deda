package proxy_test

import (
	"encoding/json"
	"io"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"sluice/engine"
	"sluice/proxy/simulate"
)

// headless is a request whose body is announced and never sent.
func headless(path string, headers ...string) string {
	return "POST " + path + " HTTP/1.1\r\nHost: sluice.test\r\n" + lines(headers) + "Content-Length: 100\r\n\r\n"
}

func TestARefusalByTheHeadDoesNotWaitForTheBody(t *testing.T) {
	r := newRig(t, upstream("a", "http://127.0.0.1:1"))
	off := &engine.Principal{ID: "off", Name: "off", Disabled: true, Paths: []string{"*"}}
	narrow := &engine.Principal{ID: "narrow", Name: "narrow", Paths: []string{"/v1/messages", "/v1/*"}}
	r.keys["off-key"], r.keys["narrow-key"] = off, narrow
	r.start()
	n := 0
	f := func(want, raw string) {
		t.Helper()
		c := r.dial().send(raw)
		got := c.read("POST")
		if got.code() != want {
			t.Errorf("%q: got %s (%s), want %s", raw, got.code(), got.body, want)
		}
		if !got.Close || !c.ended() {
			t.Errorf("%q: the connection goes on with the body of a refused request", raw)
		}
		n++
	}
	const key = "x-api-key: alice-key"
	f("401 bad_key", headless("/v1/messages"))
	f("401 bad_key", headless("/v1/messages", "x-api-key: wrong"))
	f("401 bad_key", headless("/v1/messages", "Authorization: Basic alice-key"))
	f("401 bad_key", headless("/v1/messages", "x-sluice-key: wrong", key))
	f("401 bad_key", headless("/v1/messages", "x-sluice-key:", key))
	f("401 bad_key", headless("/v1/messages", key, "authorization: bearer narrow-key"))
	f("401 bad_key", headless("/v1/messages", key, "x-api-key: narrow-key"))
	f("401 bad_key", headless("/v1/messages", "x-sluice-key: narrow-key", key))
	f("401 bad_key", headless("/v1/messages", "x-sluice-key: narrow-key", "x-api-key: sk-ant-own", "authorization: Bearer alice-key"))
	f("401 bad_key", headless("/v1/messages", key, "authorization: Bearer off-key"))
	f("400 bad_request", headless("/v1/messages?k=alice-key", key))
	f("400 bad_request", headless("/v1/messages?k=%61lice-key", key))
	f("400 bad_request", strings.Replace(headless("/v1/messages", key), "POST", "post", 1))
	f("403 principal_disabled", headless("/v1/messages", "x-api-key: off-key"))
	f("403 path_not_allowed", headless("/v2/messages", "x-api-key: narrow-key"))
	f("403 path_not_allowed", headless("/v1/organizations/x", "x-api-key: narrow-key"))
	f("400 bad_body", headless("/v1/messages", key, "Content-Encoding: gzip"))
	f("413 body_too_large", strings.Replace(headless("/v1/messages", key), "100", "1048577", 1))
	f("400 bad_request", headless("/v1/messages", key, "Transfer-Encoding: chunked"))
	f("400 bad_request", headless("/v1/messages", key, "Transfer-Encoding: identity"))
	f("401 bad_key", headless("/v1/messages", "Expect: 100-continue"))
	f("401 bad_key", "POST /v1/messages HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
	for _, path := range []string{"/v1//messages", "/v1/./messages", "/v1/../messages", "/v1/messages/..", "/v1/messages/.", "/v1/%2e%2e/x",
		"/v1/%2E/x", "/v1/a%2fb", "/v1/a%2Fb", "/v1/a%5cb", `/v1/a\b`, "/v1/%6dessages", "/v1/%zz", "/v1/%", "/v1/%00", "/v1/messages#x",
		"http://sluice.test/v1/messages", "/v1/messages?a#b", `/v1/messages?a\b`, "/v1/\xc3\xa9"} {
		f("400 bad_request", headless(path, key))
	}
	for _, row := range r.ledger.wait(t, n) {
		if row.Status == 0 || row.Code == "" {
			t.Errorf("row without status or code: %+v", row)
		}
	}
}

func TestABusyGatewayRefusesBeforeTheBody(t *testing.T) {
	r := newRig(t, upstream("a", "http://127.0.0.1:1"))
	r.gen.Limits.BodiesTotal = 99
	r.start()
	got := r.do(headless("/v1/messages", "x-api-key: alice-key"))
	want(t, "code", got.code(), "529 too_busy")
	want(t, "retry-after", got.Header.Get("retry-after"), "1")
}

func TestAPathInNormalFormPasses(t *testing.T) {
	p := plays(t, answers(ok("{}")))
	r := newRig(t, p.upstream("a")).start()
	f := func(path string) {
		t.Helper()
		if got := r.do(request("GET", path, "", "x-api-key: alice-key")); got.StatusCode != 200 {
			t.Errorf("%s: %s %s", path, got.code(), got.body)
		}
		sent := p.requests()
		if line, _, _ := strings.Cut(sent[len(sent)-1], "\r\n"); line != "GET "+path+" HTTP/1.1" {
			t.Errorf("%s went upstream as %q", path, line)
		}
	}
	f("/v1/models")
	f("/v1/models/a%3Ab")
	f("/v1/models/a:b")
	f("/v1/models/%C3%A9")
	f("/v1/models/x..y")
	f("/v1/models?limit=1000&after_id=a%2fb")
}

func TestTheKeyIsTakenByTheRule(t *testing.T) {
	p := plays(t, answers(ok("{}")))
	r := newRig(t, p.upstream("a"))
	r.keys["bob-key"] = &engine.Principal{ID: "bob", Name: "bob", Paths: []string{"*"}}
	r.start()
	n := 0
	f := func(who string, headers ...string) {
		t.Helper()
		if got := r.do(request("POST", "/v1/messages", hello, headers...)); got.StatusCode != 200 {
			t.Errorf("%q: %s", headers, got.code())
		}
		n++
		rows := r.ledger.wait(t, n)
		want(t, strings.Join(headers, ", "), rows[n-1].Principal, who)
	}
	f("alice", "x-api-key: alice-key")
	f("alice", "X-API-Key: alice-key")
	f("alice", "Authorization: Bearer alice-key")
	f("alice", "authorization: bearer  alice-key ")
	f("alice", "x-api-key: alice-key", "Authorization: Bearer alice-key")
	f("alice", "x-api-key: alice-key", "Authorization: Bearer sk-ant-something")
	f("bob", "x-sluice-key: bob-key", "x-api-key: sk-ant-own")
	for _, sent := range p.requests() {
		if strings.Contains(sent, "alice") || strings.Contains(sent, "bob") || strings.Contains(sent, "sk-ant") {
			t.Errorf("a client's credential went upstream:\n%s", sent)
		}
	}
}

func TestAnErrorIsTheAPIsOwnShape(t *testing.T) {
	r := newRig(t, upstream("a", "http://127.0.0.1:1")).start()
	got := r.do(request("POST", "/v1/messages", hello, "x-api-key: wrong"))
	want(t, "status", got.StatusCode, 401)
	want(t, "x-should-retry", got.Header.Get("x-should-retry"), "false")
	want(t, "content-type", got.Header.Get("content-type"), "application/json")
	var id struct {
		RequestID string `json:"request_id"`
	}
	if err := json.Unmarshal([]byte(got.body), &id); err != nil {
		t.Fatal(err)
	}
	want(t, "request-id", got.Header.Get("request-id"), id.RequestID)
	want(t, "body", got.body, `{"type":"error","error":{"type":"authentication_error","message":"unknown key"},"request_id":"`+id.RequestID+`"}`)
	want(t, "row", r.ledger.wait(t, 1)[0].RequestID, id.RequestID)
}

func TestTheMarkOfTheGateCannotBeSent(t *testing.T) {
	r := newRig(t, upstream("a", "http://127.0.0.1:1")).start()
	want(t, "code", r.do(post("/v1/messages", hello, "(refused): bad_key x")).code(), "400 bad_request")
}

func TestAFoldedHeaderIsRefused(t *testing.T) {
	r := newRig(t, upstream("a", "http://127.0.0.1:1")).start()
	want(t, "code", r.do(post("/v1/messages", hello, "X-A: b\r\n c")).code(), "400 bad_request")
}

func TestMethodsThatEchoAreRefused(t *testing.T) {
	r := newRig(t, upstream("a", "http://127.0.0.1:1")).start()
	want(t, "trace", r.do(request("TRACE", "/v1/messages", "", "x-api-key: alice-key")).code(), "400 bad_request")
}

func TestWhatIsNoRequestIsAnsweredInShape(t *testing.T) {
	r := newRig(t, upstream("a", "http://127.0.0.1:1")).start()
	f := func(want, raw string) {
		t.Helper()
		c := r.dial().send(raw)
		got := c.read("GET")
		if got.code() != want || !strings.HasPrefix(got.body, `{"type":"error"`) {
			t.Errorf("%.60q: got %s %s, want %s", raw, got.code(), got.body, want)
		}
		if !c.ended() {
			t.Errorf("%.60q: the connection goes on", raw)
		}
		if strings.Contains(got.body, "secret") {
			t.Errorf("%.60q: the answer repeats the request: %s", raw, got.body)
		}
	}
	f("400 bad_request", "secret\r\n\r\n")
	f("400 bad_request", "GET / HTTP/1.1\r\nbad header secret\r\n\r\n")
	f("400 bad_request", "GET / HTTP/1.1\r\n\r\n")
	f("400 bad_request", "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n")
	f("400 bad_request", "GET / HTTP/1.1\r\nHost: a\r\nX: "+strings.Repeat("s", 20000)+"\r\n\r\n")
	f("400 bad_request", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n")
	f("400 bad_request", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n")
}

func TestASilentConnectionIsClosedWithoutAWord(t *testing.T) {
	r := newRig(t, upstream("a", "http://127.0.0.1:1"))
	r.gen.Timeouts.ClientHeader = 1
	r.start()
	b, err := io.ReadAll(r.dial().nc)
	if len(b) != 0 || err != nil {
		t.Errorf("got %q, %v", b, err)
	}
}

func TestAHeadThatDoesNotEndTimesOut(t *testing.T) {
	r := newRig(t, upstream("a", "http://127.0.0.1:1"))
	r.gen.Timeouts.ClientHeader = 30e6
	r.start()
	want(t, "code", r.dial().send("POST /v1/messages HTTP/1.1\r\nHo").read("POST").code(), "400 client_timeout")
}

func TestProbesNeedNoKey(t *testing.T) {
	r := newRig(t, upstream("a", "http://127.0.0.1:1")).start()
	c := r.dial()
	want(t, "HEAD /", c.send(request("HEAD", "/", "")).read("HEAD").code(), "200 ")
	if got := c.send(request("HEAD", "/", "")).read("HEAD").Header.Get("request-id"); len(got) != 36 {
		t.Errorf("HEAD /: request-id %q, want a UUID", got)
	}
	want(t, "HEAD /api/hello", c.send(request("HEAD", "/api/hello", "")).read("HEAD").code(), "200 ")
	want(t, "HEAD /v1", c.send(request("HEAD", "/v1", "")).read("HEAD").code(), "401 bad_key")
	want(t, "GET /", r.do(request("GET", "/", "")).code(), "401 bad_key")
	r.ledger.wait(t, 2)
}

// TestAProbeIsAnsweredInItsTurn: also where the next request came with it, whose answer would pass for the probe's.
func TestAProbeIsAnsweredInItsTurn(t *testing.T) {
	p := plays(t, answers(ok("{}")))
	r := newRig(t, p.upstream("a")).start()
	probe := request("HEAD", "/", "")
	c := r.dial().send(probe, probe, post("/v1/messages", hello), probe, post("/v1/messages", "{"), probe)
	for i, method := range []string{"HEAD", "HEAD", "POST", "HEAD", "POST", "HEAD"} {
		got := c.read(method)
		if probe := got.ContentLength < 0; probe != (method == "HEAD") {
			t.Errorf("answer %d is %s with %d lines, want that of a %s", i, got.code(), len(got.Header), method)
		}
	}
	r.ledger.wait(t, 2)
}

func TestALoopbackListenerAnswersNoWebPage(t *testing.T) {
	p := plays(t, answers(ok("{}")))
	r := newRig(t, p.upstream("a"))
	r.options.LoopbackOnly = true
	r.start()
	f := func(want string, host string, headers ...string) {
		t.Helper()
		raw := strings.Replace(post("/v1/messages", hello, headers...), "sluice.test", host, 1)
		if got := r.do(raw); got.code() != want {
			t.Errorf("host %s %q: got %s, want %s", host, headers, got.code(), want)
		}
	}
	f("200 ", "localhost")
	f("200 ", "LOCALHOST:8787")
	f("200 ", "127.0.0.1:8787")
	f("200 ", "127.1.2.3")
	f("200 ", "[::1]:8787")
	f("200 ", "[::1]")
	f("403 forbidden_origin", "localhost", "Origin: http://localhost")
	f("403 forbidden_origin", "localhost", "Origin: null")
	f("403 forbidden_origin", "example.com")
	f("403 forbidden_origin", "localhost.example.com")
	f("403 forbidden_origin", "127.0.0.1.example.com")
	f("403 forbidden_origin", "10.0.0.1")
	raw := strings.Replace(request("HEAD", "/", ""), "sluice.test", "example.com", 1)
	want(t, "probe", r.do(raw).StatusCode, 403)
}

func TestScriptsAndUpstreamsSeeNoCredentialAndNothingOfTheHop(t *testing.T) {
	p := simulated(t, simulate.Options{})
	r := newRig(t, upstream("a", p.URL()))
	seen := make(chan engine.Headers, 1)
	r.filter(func(ctx *engine.RequestContext, _ *engine.Principal, c []engine.UpstreamCandidate) (engine.FilterOutput, error) {
		seen <- ctx.Headers
		return keepAll(c), nil
	})
	r.start()
	got := r.do(post("/v1/messages", hello, "anthropic-version: 2023-06-01", "anthropic-beta: a", "X-WeIrD: 1", "anthropic-beta: b",
		"Cookie: c=1", "Proxy-Authorization: x", "X-Amz-Date: x", "x-goog-user: x", "x-sluice-tag: x", "api-key: x",
		"Connection: keep-alive, X-Hop", "X-Hop: 1", "Keep-Alive: 5", "TE: trailers", "Accept-Encoding: br", "Upgrade: h2c",
		"X-Copy: prefix alice-key suffix", "Trailer: X-T"))
	if got.StatusCode != 200 {
		t.Fatal(got.code(), got.body)
	}
	kept := engine.Headers{{Name: "anthropic-version", Value: "2023-06-01"}, {Name: "anthropic-beta", Value: "a"}, {Name: "X-WeIrD", Value: "1"}, {Name: "anthropic-beta", Value: "b"}}
	if h := <-seen; !equal(h, kept) {
		t.Errorf("a script sees %v, want %v", h, kept)
	}
	up := p.Requests()[0]
	var names []string
	for _, h := range up.Headers {
		names = append(names, h.Name)
	}
	want(t, "upstream's lines", strings.Join(names, " "), "Host anthropic-version anthropic-beta X-WeIrD anthropic-beta x-api-key accept-encoding content-length")
	want(t, "accept-encoding", up.Header("accept-encoding"), "identity")
	want(t, "host", "http://"+up.Header("host"), p.URL())
	want(t, "body", string(up.Body), hello)
}

func equal(a, b engine.Headers) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

func TestOnlyAClientWithOurOwnHeaderHasACredentialToForward(t *testing.T) {
	r := newRig(t, upstream("a", "http://127.0.0.1:1"))
	spy := &spySigner{}
	r.gen.Upstreams[0].Signers = spy
	r.keys["bob-key"] = &engine.Principal{ID: "bob", Name: "bob", Paths: []string{"*"}}
	r.start()
	f := func(want string, headers ...string) {
		t.Helper()
		r.do(request("POST", "/v1/messages", hello, headers...))
		got := ""
		for _, h := range spy.client.Reveal() {
			got += h.Name + "=" + h.Value + ";"
		}
		if got != want {
			t.Errorf("%q: got %q, want %q", headers, got, want)
		}
	}
	f("", "x-api-key: alice-key", "Authorization: Bearer own")
	f("Authorization=Bearer own;x-api-key=mine;", "x-sluice-key: alice-key", "Authorization: Bearer own", "x-api-key: mine")
	f("x-api-key=mine;", "x-sluice-key: alice-key", "Authorization: Bearer alice-key", "x-api-key: mine")
}

// fickle refuses a key when it is looked up first, and knows it from then on.
type fickle struct {
	keyring
	asked atomic.Int64
}

func (f *fickle) Lookup(key string, now time.Time) (engine.Grant, error) {
	if f.asked.Add(1) == 1 {
		return engine.Grant{}, &engine.Refusal{Code: engine.CodeBadKey, Message: "not yet"}
	}
	return f.keyring.Lookup(key, now)
}

func TestAHiddenBodyIsNeverTakenForAnEmptyOne(t *testing.T) {
	p := plays(t, answers(ok("{}")))
	r := newRig(t, p.upstream("a"))
	r.gen.Keys = &fickle{keyring: r.keys}
	r.start()
	got := r.do(post("/v1/messages/batches/b/cancel", hello))
	want(t, "code", got.code(), "401 bad_key")
	want(t, "message", strings.Contains(got.body, `"not yet"`), true)
	want(t, "requests upstream", len(p.requests()), 0)
	want(t, "the next request", r.do(post("/v1/messages", hello)).code(), "200 ")
}
