package main

import (
	"strings"
	"testing"

	"sluice/proxy/simulate"
)

// serveRedacting serves with the bundled scripts and an upstream for each language, which is also the name of its principal.
func serveRedacting(t *testing.T) (*live, map[string]*simulate.Provider) {
	t.Helper()
	return serveTwins(t, simulate.Options{}, "kind: anthropic_direct, signer: {type: anthropic_key, key: k}, dialect: {script: dialects/redact.%s, on_error: closed}")
}

func TestNoSecretPassesARedactingUpstream(t *testing.T) {
	const secret, address = "sk-ant-0123456789abcdef", "me@example.org"
	l, providers := serveRedacting(t)
	said := `"messages":[{"role":"user","content":"` + secret + ` of ` + address + `"}]}`
	delta := func(text string) string {
		return `event: content_block_delta` + "\n" + `data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"` + text + `"}}` + "\n\n"
	}
	const stop = "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\n"
	for name, p := range providers {
		_, got := l.post(t, name, "/v1/messages", `{"model":"claude-sonnet-4-5","max_tokens":99,`+said)
		if !strings.Contains(got, "You said: [key] of [email]") {
			t.Errorf("%s: got %s", name, got)
		}
		p.NextAnswer(200, "application/json", `{"type":"message","content":[{"type":"text","text":"`+secret+`"}]}`)
		if _, got = l.post(t, name, "/v1/messages", plainQuestion); !strings.Contains(got, `"text":"[key]"`) {
			t.Errorf("%s: an answer: got %s", name, got)
		}
		p.NextAnswer(200, "text/event-stream", delta("use "+secret[:9]), delta(secret[9:]), delta(" of "+address[:5]), delta(address[5:]), stop, "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n")
		_, got = l.post(t, name, "/v1/messages", streamQuestion)
		if !strings.HasPrefix(got, delta("use ")+delta("[key] of ")+delta("[email]")+stop) {
			t.Errorf("%s: a stream: got %s", name, got)
		}
		p.NextAnswer(200, "text/event-stream", "event: content_block_delta\ndata: "+secret+"\n\n")
		if resp, got := l.post(t, name, "/v1/messages", streamQuestion); resp.StatusCode != 502 || strings.Contains(got, secret) {
			t.Errorf("%s: what cannot be read: got %d %s", name, resp.StatusCode, got)
		}
		for _, r := range p.Requests() {
			if strings.Contains(string(r.Body), secret) || strings.Contains(string(r.Body), address) {
				t.Errorf("%s: the upstream saw %s", name, r.Body)
			}
		}
	}
}
