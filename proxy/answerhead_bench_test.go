package proxy

import (
	"strings"
	"testing"
)

// cloudflared is the head of an answer as the API's own edge writes it.
var cloudflared = strings.ReplaceAll(`HTTP/1.1 200 OK
Server: cloudflare
Content-Type: application/json
Content-Length: 437
request-id: req_011CVa2bCdEfGhJkLmNpQrSt
anthropic-organization-id: 507a9a8b-e3d1-45a8-6daa-9644b28bf42a
anthropic-ratelimit-requests-limit: 4000
anthropic-ratelimit-requests-remaining: 3999
anthropic-ratelimit-requests-reset: 2026-11-28T15:08:03Z
anthropic-ratelimit-tokens-limit: 2400000
anthropic-ratelimit-tokens-remaining: 2399000
anthropic-ratelimit-tokens-reset: 2026-11-28T15:08:03Z
anthropic-ratelimit-input-tokens-limit: 2000000
anthropic-ratelimit-input-tokens-remaining: 1999000
anthropic-ratelimit-input-tokens-reset: 2026-11-28T15:08:03Z
anthropic-ratelimit-output-tokens-limit: 400000
anthropic-ratelimit-output-tokens-remaining: 400000
anthropic-ratelimit-output-tokens-reset: 2026-11-28T15:08:03Z
x-envoy-upstream-service-time: 1
via: 1.1 google
cf-cache-status: DYNAMIC
cf-ray: 9a5b0e2c1d3f4a5b-FRA
Set-Cookie: _cfuvid=abcdef; path=/; domain=.anthropic.com; HttpOnly; Secure

`, "\n", "\r\n")

func BenchmarkAnswerHead(b *testing.B) {
	raw := []byte(cloudflared + strings.Repeat(`{"type":"message"}`, 24))
	b.ReportAllocs()
	for b.Loop() {
		h, err := parseAnswerHead(raw[:headEnd(raw)])
		if err != nil || len(endToEnd(h.lines)) != 21 {
			b.Fatal(err, len(h.lines))
		}
	}
}
