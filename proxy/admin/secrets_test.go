package admin_test

import (
	"strings"
	"testing"
)

func TestNoAnswerHoldsASecret(t *testing.T) {
	r := newRig(t)
	id := r.ask(200).header.Get("x-sluice-request-id")
	r.ask(200, "x-want: error", "request-id: failed")
	r.ask(401, "x-sluice-key: sk-sluice-planted-unknown")
	r.must(r.sims["a"].Next("401"))
	r.ask(502)
	r.write("scripts/filters/choose.star", "def filter(ctx, principal, candidates):\n    fail(str(ctx.headers))\n")
	r.call("POST", "/v1/reload", "")
	raw := `{"request": "POST /v1/messages HTTP/1.1\r\nhost: x\r\nx-api-key: ` + aliceKey + `\r\n` +
		`authorization: Bearer ` + upstreamKey + `\r\ncontent-length: 2\r\n\r\n{}"}`
	f := func(method, path, body string) {
		t.Helper()
		got := r.call(method, path, body)
		text := got.body
		for name, values := range got.header {
			text += name + strings.Join(values, "")
		}
		for _, secret := range []string{"planted", "wq41k", "zx77p", "vj90r"} {
			if strings.Contains(text, secret) {
				t.Errorf("%s %s answers with %q: %s", method, path, secret, text)
			}
		}
	}
	f("GET", "/healthz", "")
	f("GET", "/readyz", "")
	f("GET", "/metrics", "")
	f("GET", "/v1/status", "")
	f("GET", "/v1/upstreams", "")
	f("GET", "/v1/requests", "")
	f("GET", "/v1/requests/"+id, "")
	f("GET", "/v1/requests/failed", "")
	f("GET", "/v1/requests?status=nine", "")
	f("POST", "/v1/preview", raw)
	f("POST", "/v1/preview", "{")
	f("POST", "/v1/reload", "")
	f("GET", "/nosuch", "")
	if got := r.send("GET", r.admin, "/v1/status", "", "authorization: Bearer planted-guess"); strings.Contains(got.body, "planted") {
		t.Errorf("a wrong token is repeated: %s", got.body)
	}
}
