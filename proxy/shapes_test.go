package proxy_test

import (
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"sluice/engine"
)

const vertexPath = "/v1/projects/p/locations/global/publishers/anthropic/models/"

func TestRequestsInTheShapeOfACloudBecomeTheAPIs(t *testing.T) {
	f := func(path, body, wantPath, wantBody, wantBeta string) {
		t.Helper()
		p := plays(t, answers(ok(`{"type":"message"}`, "content-type: application/json")))
		r := newRig(t, p.upstream("a"))
		r.alice.Paths = []string{"/v1/messages", "/v1/messages/count_tokens"}
		r.start()
		got := r.do(post(path, body, "anthropic-beta: one,two", "anthropic-version: x"))
		want(t, "body", got.body, `{"type":"message"}`)
		sent := p.requests()[0]
		head, sentBody, _ := strings.Cut(sent, "\r\n\r\n")
		if !strings.HasPrefix(head, "POST "+wantPath+" HTTP/1.1\r\n") || sentBody != wantBody ||
			!strings.Contains(head, "anthropic-version: 2023-06-01") || !strings.Contains(head, "anthropic-beta: "+wantBeta+"\r\n") {
			t.Errorf("%s: sent %q, want %s %s %s", path, sent, wantPath, wantBody, wantBeta)
		}
		want(t, "row", r.ledger.wait(t, 1)[0].Path, wantPath)
	}
	f("/model/anthropic.claude-x-v1:0/invoke", `{"anthropic_version":"bedrock-2023-05-31","max_tokens":1, "z":2,"anthropic_beta":["two","three"]}`,
		"/v1/messages", `{"max_tokens":1, "z":2,"model":"anthropic.claude-x-v1:0"}`, "one,two,three")
	f("/model/arn%3Aaws%3Abedrock%3Aus%3A1%3Aapplication-inference-profile%2Fx/invoke-with-response-stream", `{"max_tokens":1}`,
		"/v1/messages", `{"max_tokens":1,"model":"arn:aws:bedrock:us:1:application-inference-profile/x","stream":true}`, "one,two")
	f(vertexPath+"claude-x@20250929:rawPredict", `{"anthropic_version":"vertex-2023-10-16","max_tokens":1}`,
		"/v1/messages", `{"max_tokens":1,"model":"claude-x@20250929"}`, "one,two")
	f(vertexPath+"claude-x:streamRawPredict", `{"stream":true,"max_tokens":1}`,
		"/v1/messages", `{"stream":true,"max_tokens":1,"model":"claude-x"}`, "one,two")
	f(vertexPath+"count-tokens:rawPredict", `{"model":"claude-x","messages":[]}`,
		"/v1/messages/count_tokens", `{"model":"claude-x","messages":[]}`, "one,two")
}

func TestAnUpstreamOfTheClientsOwnWireGetsTheRequestAsItCame(t *testing.T) {
	f := func(kind engine.UpstreamKind, path, body string, asItCame bool) {
		t.Helper()
		p := plays(t, answers(ok(`{"type":"message"}`, "content-type: application/json")))
		u := p.upstream("a")
		u.Kind = kind
		r := newRig(t, u).start()
		r.do(post(path, body, "anthropic-beta: one, two", "anthropic-version: x"))
		head, sentBody, _ := strings.Cut(p.requests()[0], "\r\n\r\n")
		if asItCame != (sentBody == body) ||
			asItCame != (strings.Contains(head, "anthropic-beta: one, two\r\n") && strings.Contains(head, "anthropic-version: x\r\n")) {
			t.Errorf("%s, %s: sent %s\n%s", path, kind, head, sentBody)
		}
	}
	const bedrocks, vertexs = `{ "anthropic_beta":["b"],"anthropic_version":"bedrock-2023-05-31", "max_tokens" : 1e0,"z":[1.0]}`,
		`{"anthropic_version":"vertex-2023-10-16","max_tokens":1e0 ,"anthropic_beta":["b"]}`
	for path, body := range map[string]string{"/model/claude-x/invoke": bedrocks, "/model/claude-x/invoke-with-response-stream": bedrocks,
		vertexPath + "claude-x:rawPredict": vertexs, vertexPath + "claude-x:streamRawPredict": vertexs,
		vertexPath + "count-tokens:rawPredict": `{"model":"claude-x",  "anthropic_version":"vertex-2023-10-16"}`} {
		for _, kind := range []engine.UpstreamKind{engine.KindBedrockRuntime, engine.KindVertex, engine.KindAnthropicDirect, engine.KindBedrockMantle, engine.KindCustom} {
			if strings.Contains(path, "count-tokens") && (kind == engine.KindBedrockRuntime || kind == engine.KindBedrockMantle) {
				continue // they count nothing
			}
			f(kind, path, body,
				kind == engine.KindVertex && strings.HasPrefix(path, vertexPath) || kind == engine.KindBedrockRuntime && !strings.HasPrefix(path, vertexPath))
		}
	}
}

func TestTheModelOfAPathIsHeldAgainstTheAllowList(t *testing.T) {
	r := newRig(t, plays(t, answers(ok(`{}`))).upstream("a"))
	r.alice.Models = []string{"claude-*"}
	r.start()
	got := r.do(post("/model/anthropic.claude-x/invoke", hello))
	want(t, "code", got.code(), "403 model_not_allowed")
	want(t, "type", got.Header.Get("x-amzn-ErrorType"), "AccessDeniedException")
	want(t, "body", got.body, `{"message":"principal \"alice\" may not ask for model \"anthropic.claude-x\""}`)
	got = r.do(post(vertexPath+"gemini:rawPredict", hello))
	want(t, "code", got.code(), "403 model_not_allowed")
	if !strings.HasPrefix(got.body, `{"type":"error"`) {
		t.Errorf("got %q", got.body)
	}
	want(t, "code", r.do(post("/model/claude-x/invoke", hello)).code(), "200 ")
	want(t, "code", r.do(request("POST", "/model/claude-x/invoke", hello)).code(), "401 bad_key")
	want(t, "a key in the query", r.do(post("/v1/messages?x=alice%2Dkey", hello)).code(), "400 bad_request")
	want(t, "a key beside a wrong escape", r.do(post("/v1/messages?x=%zz&y=alice%2Dke%79", hello)).code(), "400 bad_request")
	want(t, "a key in the path", r.do(post("/model/alice-key/invoke", hello)).code(), "400 bad_request")
	want(t, "another path", r.do(post("/model/a%2Fb/else", hello)).code(), "400 bad_request")
	want(t, "another path", r.do(post("/model/a/b/invoke", hello)).code(), "200 ")
}

func TestABedrockClientGetsFrames(t *testing.T) {
	r := newRig(t, plays(t, rough(eventHead+chunk(start+delta)+chunk(usage+stop)+lastChunk)).upstream("a")).start()
	got := r.do(post("/model/claude-x/invoke-with-response-stream", hello))
	want(t, "type", got.Header.Get("content-type"), "application/vnd.amazon.eventstream")
	var data []string
	for _, part := range strings.Split(got.body, `{"bytes":"`)[1:] {
		text, _, _ := strings.Cut(part, `"`)
		plain, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			t.Fatal(err)
		}
		data = append(data, string(plain))
	}
	if len(data) != 4 || !strings.Contains(data[3], "message_stop") || got.err != nil {
		t.Errorf("got %q, %v", data, got.err)
	}
	want(t, "usage", r.ledger.wait(t, 1)[0].Usage.OutputTokens, 9)
}

func TestABedrockClientGetsItsOwnErrors(t *testing.T) {
	answer := strings.Replace(ok(`{"type":"error","error":{"type":"rate_limit_error","message":"slow down"}}`, "retry-after: 3"), "200 OK", "429 Too", 1)
	r := newRig(t, plays(t, rough(answer)).upstream("a")).start()
	got := r.do(post("/model/claude-x/invoke", hello))
	want(t, "status", got.StatusCode, 429)
	want(t, "type", got.Header.Get("x-amzn-ErrorType"), "ThrottlingException")
	want(t, "retry-after", got.Header.Get("retry-after"), "3")
	want(t, "body", got.body, `{"message":"slow down"}`)
	r = newRig(t, plays(t, rough(eventHead+chunk(start)+lastChunk)).upstream("a")).start()
	got = r.do(post("/model/claude-x/invoke-with-response-stream", hello))
	if !strings.Contains(got.body, "internalServerException") || !strings.Contains(got.body, "ended its answer early") {
		t.Errorf("got %q", got.body)
	}
}

// TestAnEventThatDoesNotEndFillsNoFrame: a frame tells its length, so all of an event is held until it ends.
func TestAnEventThatDoesNotEndFillsNoFrame(t *testing.T) {
	endless := chunk("data: " + strings.Repeat("y", 1<<20))
	u := plays(t, func(s *stage) {
		s.next()
		s.say(eventHead + chunk(start) + strings.Repeat(endless, 4))
		s.gone()
	}).upstream("a")
	u.Timeouts.Idle = time.Second
	r := newRig(t, u).start()
	got := r.do(post("/model/claude-x/invoke-with-response-stream", hello))
	if got.err != nil || !strings.Contains(got.body, "internalServerException") ||
		!strings.HasSuffix(got.body[:len(got.body)-4], `{"message":"upstream \"a\": an event is larger than 1 MiB"}`) { // a frame ends in its checksum
		t.Errorf("got %q, %v", got.body, got.err)
	}
	want(t, "code", r.ledger.wait(t, 1)[0].Code, engine.CodeUpstreamUnreachable)
}

func TestFramesOfBedrockReachAClientAsEvents(t *testing.T) {
	u := plays(t, rough("HTTP/1.1 200 OK\r\nContent-Type: application/vnd.amazon.eventstream\r\nContent-Length: 5\r\n\r\nabcde")).upstream("a")
	u.Kind = engine.KindBedrockRuntime
	r := newRig(t, u).start()
	got := r.do(post("/v1/messages", helloStream))
	want(t, "refusal", got.code(), "502 upstream_unreachable")
	if !strings.Contains(got.body, `upstream \"a\": the event stream is corrupt: it ended within a frame"`) {
		t.Errorf("got %q", got.body)
	}
	want(t, "code", r.ledger.wait(t, 1)[0].Code, engine.CodeUpstreamUnreachable)
}
