package main

import (
	"fmt"
	"strings"
	"testing"

	"sluice/proxy/simulate"
)

// serveOpenAI serves with an upstream of OpenAI's chat completions in each language, which is also the name of its principal.
func serveOpenAI(t *testing.T) (*live, map[string]*simulate.Provider) {
	t.Helper()
	return serveTwins(t, simulate.Options{Kind: simulate.KindOpenAI, Key: "token"}, "kind: custom, signer: {type: bearer, token: token}, dialect: {script: dialects/openai.%s, on_error: closed}, models: {claude-sonnet-4-5: gpt-4o}")
}

// Bug 10 of such translations: characters that two reads share, CR LF at the ends of lines, "data:" without a space.
func TestChatsComeWholeHoweverTheirBytesDo(t *testing.T) {
	const chunk = `data:{"id":"chatcmpl-1","choices":[{"index":0,"delta":{"content":"%s"},"finish_reason":null}]}` + "\r\n\r\n"
	text := "Grüße, 世界 👋"
	wire := fmt.Sprintf(chunk, "So: ") + fmt.Sprintf(chunk, text) + `data:{"id":"chatcmpl-1","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}` +
		"\r\n\r\ndata:[DONE]\r\n\r\n"
	var bytewise []string
	for i := range len(wire) {
		bytewise = append(bytewise, wire[i:i+1])
	}
	l, providers := serveOpenAI(t)
	for name, p := range providers {
		p.NextAnswer(200, "text/event-stream", bytewise...)
		_, got := l.post(t, name, "/v1/messages", streamQuestion)
		if !strings.Contains(got, `{"type":"text_delta","text":"`+text+`"}`) || strings.Count(got, "event: message_start\n") != 1 ||
			!strings.HasSuffix(got, "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n") || strings.Contains(got, "event: error\n") {
			t.Errorf("%s: got %s", name, got)
		}
	}
}

// A client is told what is wrong in the API's form and in words: its own request by the server, the server's answer by the gateway.
func TestChatsThatAreWrongAreToldInTheAPIsForm(t *testing.T) {
	const chunk = `data: {"id":"chatcmpl-1","choices":[{"index":0,"delta":{"content":"It"},"finish_reason":null}]}` + "\n\n"
	const whole = `{"id":"chatcmpl-1","choices":[{"index":0,"message":{"role":"assistant","content":"It"},"finish_reason":"stop"}]}`
	const refusal = `{"error":{"message":"messages.0: want an object","type":"invalid_request_error"}}`
	const wrong = `{"model":"claude-sonnet-4-5","max_tokens":9,"messages":["x",{"content":7}],"tools":[7],"tool_choice":{"type":"odd"}}`
	l, providers := serveOpenAI(t)
	for name, p := range providers {
		f := func(request string, status int, kind, want string, answer func()) {
			t.Helper()
			answer()
			resp, got := l.post(t, name, "/v1/messages", request)
			if resp.StatusCode != status || !strings.Contains(got, `"type":"`+kind+`"`) || !strings.Contains(got, want) || strings.Contains(got, "openai.") {
				t.Errorf("%s: got %d %s, want %d, %s and %q", name, resp.StatusCode, got, status, kind, want)
			}
		}
		f(wrong, 400, "invalid_request_error", "messages.0: want an object", func() { p.NextAnswer(400, "application/json", refusal) })
		sent := p.Requests()
		if body := string(sent[len(sent)-1].Body); !strings.Contains(body, `"messages":["x",{"content":7}]`) {
			t.Errorf("%s: the server got %s", name, body)
		}
		f(plainQuestion, 502, "api_error", "could not be translated", func() { p.NextAnswer(200, "application/json", `{"choices":[]}`) })
		f(streamQuestion, 502, "api_error", "could not be translated", func() { p.NextAnswer(200, "application/json", whole) })
		f(streamQuestion, 200, "api_error", "without a finish_reason", func() { p.NextAnswer(200, "text/event-stream", chunk, "data: [DONE]\n\n") })
	}
}

func TestOpenAIServesNothingButMessages(t *testing.T) {
	l, providers := serveOpenAI(t)
	for name, p := range providers {
		resp, got := l.post(t, name, "/v1/messages/count_tokens", plainQuestion)
		if resp.StatusCode != 404 || resp.Header.Get("x-sluice-error") != "path_not_served" {
			t.Errorf("%s counts: got %d %s", name, resp.StatusCode, got)
		}
		models := l.exchange(t, liveKey+name, "GET /v1/models\nanthropic-version: 2023-06-01\n\n")
		if !strings.Contains(models, `"id":"claude-sonnet-4-5"`) { // from the config
			t.Errorf("%s: its models: got %s", name, models)
		}
		if n := len(p.Requests()); n != 0 {
			t.Errorf("%s: the provider saw %d requests, want none", name, n)
		}
	}
}
