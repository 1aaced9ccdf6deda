package proxy_test

import (
	"fmt"
	"strings"
	"testing"

	"sluice/engine"
	"sluice/engine/body"
)

func TestABodyThatIsNotUnderstoodIsRefused(t *testing.T) {
	p := plays(t, answers(ok("{}")))
	r := newRig(t, p.upstream("a"))
	r.alice.Models = []string{"claude-*", "x"}
	r.start()
	f := func(want, path, body string) {
		t.Helper()
		got := r.do(post(path, body))
		if got.code() != want {
			t.Errorf("%s %.80s: got %s %s, want %s", path, body, got.code(), got.body, want)
		}
		if got.StatusCode == 400 && !strings.Contains(got.body, "offset") && !strings.Contains(got.body, "want") && !strings.Contains(got.body, "string") {
			t.Errorf("%s %.80s: the message does not say where: %s", path, body, got.body)
		}
	}
	const messages, batches = "/v1/messages", "/v1/messages/batches"
	f("200 ", messages, hello)
	f("200 ", "/v1/messages/count_tokens", hello)
	f("400 bad_body", messages, "")
	f("400 bad_body", messages, `{"model":"claude-x"`)
	f("400 bad_body", messages, `{"model":"claude-x"} x`)
	f("400 bad_body", messages, `["claude-x"]`)
	f("400 bad_body", messages, `{"a":`+strings.Repeat("[", 300)+strings.Repeat("]", 300)+`}`)
	f("200 ", messages, `{"a":`+strings.Repeat("[", 250)+strings.Repeat("]", 250)+`}`)
	for _, key := range []string{"model", "stream", "max_tokens", "messages", "metadata", "service_tier", "fallbacks", "requests"} {
		f("400 bad_body", messages, fmt.Sprintf(`{%q:"claude-x",%q:"claude-x"}`, key, key))
		f("400 bad_body", messages, fmt.Sprintf(`{%q:"claude-x"}`, strings.ToUpper(key)))
	}
	f("400 bad_body", messages, `{"model":"claude-x","mode\u006c":"gpt"}`)
	f("400 bad_body", messages, `{"model":"claude-x","Mode\u006c":"gpt"}`)
	f("400 bad_body", messages, `{"model":1}`)
	f("400 bad_body", messages, fmt.Sprintf(`{"model":%q}`, strings.Repeat("x", 600)))
	f("400 bad_body", messages, `{"model":null}`)
	f("403 model_not_allowed", messages, `{"model":"gpt"}`)
	f("403 model_not_allowed", "/v1/messages/count_tokens", `{"model":"gpt"}`)
	f("403 model_not_allowed", messages, `{"model":"claude-x","fallbacks":[{"model":"x"},{"model":"gpt"}]}`)
	f("403 model_not_allowed", messages, `{"model":"claude-x","fallbacks":["gpt"]}`)
	f("400 bad_body", messages, `{"model":"claude-x","fallbacks":[{"model":"x","model":"gpt"}]}`)
	f("400 bad_body", messages, `{"model":"claude-x","fallbacks":[{"Model":"gpt"}]}`)
	f("200 ", messages, `{"model":"claude-x","fallbacks":[{"model":"x"}]}`)
	f("403 model_not_allowed", batches, `{"requests":[{"custom_id":"1","params":{"model":"x"}},{"params":{"model":"gpt"}}]}`)
	f("403 model_not_allowed", batches, `{"requests":[{"params":{"model":"x","fallbacks":[{"model":"gpt"}]}}]}`)
	f("400 bad_body", batches, `{"requests":[{"params":{"model":"x","model":"gpt"}}]}`)
	f("400 bad_body", batches, `{"requests":[{"params":{},"params":{"model":"gpt"}}]}`)
	f("400 bad_body", batches, `{"requests":[{"params":{},"PARAMS":{"model":"gpt"}}]}`)
	f("403 model_not_allowed", "/v1/complete", ` {"model":"gpt"}`)
	f("400 bad_body", "/v1/complete", `{"model":"x","model":"gpt"}`)
	f("200 ", "/v1/complete", `{"model":"x"}`)
	f("400 bad_body", messages, `{"model":"x","fallbacks":{"model":"gpt"}}`)
	f("400 bad_body", messages, `{"model":"x","fallbacks":"gpt"}`)
	f("400 bad_body", messages, `{"model":"x","fallbacks":[[{"model":"gpt"}]]}`)
	f("403 model_not_allowed", messages, `{"model":"x","fallbacks":[{"model":"x","fallbacks":[{"model":"gpt"}]}]}`)
	f("400 bad_body", batches, `{"requests":{"params":{"model":"gpt"}}}`)
	f("400 bad_body", batches, `{"requests":[[{"params":{"model":"gpt"}}]]}`)
	f("400 bad_body", "/v1/complete", "\ufeff"+`{"model":"gpt"}`)
	f("400 bad_body", "/v1/complete", `[{"model":"gpt"}]`)
	f("400 bad_body", "/v1/other", `--boundary`)
	f("200 ", "/v1/files", `--boundary`)
	f("200 ", "/v1/messages/batches/msgbatch_1/cancel", "")
}

func TestWhatScriptsSeeOfARequest(t *testing.T) {
	p := plays(t, answers(ok("{}")))
	r := newRig(t, p.upstream("a"))
	seen := make(chan engine.RequestContext, 1)
	r.filter(func(ctx *engine.RequestContext, _ *engine.Principal, c []engine.UpstreamCandidate) (engine.FilterOutput, error) {
		seen <- *ctx
		return keepAll(c), nil
	})
	r.start()
	ask := func(text string, headers ...string) engine.RequestContext {
		t.Helper()
		if got := r.do(post("/v1/messages?beta=true&x=%20", text, headers...)); got.StatusCode != 200 {
			t.Fatal(got.code(), got.body)
		}
		return <-seen
	}
	c := ask(`{"model":"m","stream":true,"max_tokens":128000,"service_tier":"auto","messages":[]}`)
	want(t, "method", c.Method, "POST")
	want(t, "path", c.Path, "/v1/messages")
	want(t, "query", c.Query, "beta=true&x=%20")
	want(t, "model", c.Model, "m")
	want(t, "stream", c.Stream, true)
	want(t, "max_tokens", c.MaxTokens, 128000)
	want(t, "service_tier", c.ServiceTier, "auto")
	want(t, "session", c.SessionID, "")
	if len(c.RequestID) != 36 || c.RequestID[14] != '7' {
		t.Errorf("request id %q is no UUIDv7", c.RequestID)
	}
	top, ok := c.Index.(*body.Top)
	if v, found := top.Get("model"); !ok || !found || string(v.Raw()) != `"m"` {
		t.Errorf("the index is %T, and knows no model", c.Index)
	}
	d := ask(`{}`)
	if c.Seed == d.Seed || c.RequestID == d.RequestID || c.Seed == 0 {
		t.Errorf("two requests share a seed or an id: %d %s", d.Seed, d.RequestID)
	}
	if d.Stream || d.MaxTokens != 0 || d.Model != "" {
		t.Errorf("what is absent is not neutral: %+v", d)
	}

	session := func(want, text string, headers ...string) {
		t.Helper()
		if got := ask(text, headers...).SessionID; got != want {
			t.Errorf("%s %q: session %q, want %q", text, headers, got, want)
		}
	}
	const user = `{"metadata":{"user_id":"{\"device_id\":\"d\",\"session_id\":\"s-json\"}"}}`
	session("s-json", user)
	session("0f0a6d53-3f4a-4c0b-9d5c-7f6f3a2b1c0d", `{"metadata":{"user_id":"user_ab_account_cd_session_0f0a6d53-3f4a-4c0b-9d5c-7f6f3a2b1c0d"}}`)
	session("", `{"metadata":{"user_id":"user_ab_account_cd_session_old"}}`)
	session("", `{"metadata":{"user_id":"somebody"}}`)
	session("", `{"metadata":{"user_id":7}}`)
	session("", `{"metadata":{"user_id":"`+strings.Repeat("x", 300)+`_session_`+strings.Repeat("y", 300)+`"}}`)
	session("s1", user, "x-session-id: s4", "x-session-affinity: s3", "x-claude-session-id: s2", "X-Claude-Code-Session-Id: s1")
	session("s2", user, "x-session-id: s4", "x-session-affinity: s3", "x-claude-session-id: s2")
	session("s3", user, "x-session-id: s4", "x-session-affinity: s3")
	session("s4", user, "x-session-id: s4")
}

func TestIDsOfBothSidesAreKept(t *testing.T) {
	p := plays(t, func(s *stage) {
		for i := 0; ; i++ {
			if _, more := s.next(); !more {
				return
			}
			s.say(ok("{}", []string{"request-id: req_up", "x-amzn-requestid: aws_up", "x-other: 1"}[min(i, 2)]))
		}
	})
	r := newRig(t, p.upstream("a")).start()
	c := r.dial()
	got := c.send(post("/v1/messages", hello, "request-id: mine.1:_-", "x-request-id: other")).read("POST")
	row := r.ledger.wait(t, 1)[0]
	want(t, "request-id", got.Header.Get("request-id"), "req_up")
	want(t, "x-sluice-request-id", got.Header.Get("x-sluice-request-id"), row.RequestID)
	want(t, "row, upstream's", row.UpstreamReqID, "req_up")
	want(t, "row, client's", row.ClientRequestID, "mine.1:_-")

	got = c.send(post("/v1/messages", hello, "request-id: not/plain", "x-request-id: other")).read("POST")
	row = r.ledger.wait(t, 2)[1]
	want(t, "request-id", got.Header.Get("request-id"), row.RequestID)
	want(t, "x-sluice-request-id", got.Header.Get("x-sluice-request-id"), "")
	want(t, "row, upstream's", row.UpstreamReqID, "aws_up")
	want(t, "row, client's", row.ClientRequestID, "other")

	c.send(post("/v1/messages", hello, "x-request-id: "+strings.Repeat("x", 129))).read("POST")
	want(t, "row, client's", r.ledger.wait(t, 3)[2].ClientRequestID, "")
}
