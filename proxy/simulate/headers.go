package simulate

import (
	"crypto/sha256"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// unified are the utilizations, 0 to 1, of a subscription's windows.
type unified struct{ fiveHour, sevenDay float64 }

// bigHeader is the length of the header that the fault bigheader adds, in bytes.
const bigHeader = 64 << 10

// dress puts the usual headers of the API on the answer. Those that extra or SetHeader name are replaced, SetHeader last.
func (x *exchange) dress(extra ...Header) {
	switch x.p.opts.Kind {
	case KindAnthropic:
	case KindOpenAI:
		x.putHeaders([]Header{{"x-request-id", x.p.requestID(x.req.Number)}, {"openai-processing-ms", "1"}}, extra)
		return
	default:
		x.putHeaders([]Header{{"x-amzn-RequestId", x.p.requestID(x.req.Number)}}, extra)
		return
	}
	reset := x.req.Arrived.Add(time.Minute).UTC().Format(time.RFC3339)
	usual := []Header{
		{"request-id", x.p.requestID(x.req.Number)},
		{"anthropic-organization-id", x.p.organization},
		{"anthropic-ratelimit-requests-limit", "4000"},
		{"anthropic-ratelimit-requests-remaining", "3999"},
		{"anthropic-ratelimit-requests-reset", reset},
		{"anthropic-ratelimit-tokens-limit", "2400000"},
		{"anthropic-ratelimit-tokens-remaining", "2399000"},
		{"anthropic-ratelimit-tokens-reset", reset},
		{"anthropic-ratelimit-input-tokens-limit", "2000000"},
		{"anthropic-ratelimit-input-tokens-remaining", "1999000"},
		{"anthropic-ratelimit-input-tokens-reset", reset},
		{"anthropic-ratelimit-output-tokens-limit", "400000"},
		{"anthropic-ratelimit-output-tokens-remaining", "400000"},
		{"anthropic-ratelimit-output-tokens-reset", reset},
		{"x-envoy-upstream-service-time", "1"},
	}
	if x.unified != nil {
		usual = append(usual, x.unified.headers(x.req.Arrived)...)
	}
	x.putHeaders(append(usual, x.fromCDN()...), extra)
}

// fromCDN are the headers that the CDN before the API adds to every answer.
func (x *exchange) fromCDN() []Header {
	number := strconv.Itoa(x.req.Number)
	return []Header{
		{"via", "1.1 google"},
		{"cf-cache-status", "DYNAMIC"},
		{"cf-ray", number + "-SIM"},
		{"set-cookie", "_cfuvid=" + x.p.opts.Name + "-" + number + "; path=/; domain=.anthropic.com; HttpOnly; Secure"},
	}
}

func (x *exchange) putHeaders(headers, extra []Header) {
	for _, h := range extra {
		headers = replace(headers, h)
	}
	if x.fault.name == "bigheader" {
		headers = append(headers, Header{"x-big", strings.Repeat("b", bigHeader)})
	}
	for _, h := range x.headers {
		headers = replace(headers, h)
	}
	for _, h := range headers {
		if h.Value != "" {
			x.ctx.Response.Header.Add(h.Name, h.Value)
		}
	}
}

// replace gives the header of h's name its value, at the end if there was none.
func replace(headers []Header, h Header) []Header {
	for i := range headers {
		if headers[i].Name == h.Name {
			headers[i].Value = h.Value
			return headers
		}
	}
	return append(headers, h)
}

func (u *unified) headers(now time.Time) []Header {
	const prefix = "anthropic-ratelimit-unified-"
	claim, used, reset := "five_hour", u.fiveHour, endOfWindow(now, 5*time.Hour)
	if u.sevenDay > u.fiveHour {
		claim, used, reset = "seven_day", u.sevenDay, endOfWindow(now, 7*24*time.Hour)
	}
	return []Header{
		{prefix + "status", windowStatus(used)},
		{prefix + "reset", reset},
		{prefix + "representative-claim", claim},
		{prefix + "5h-status", windowStatus(u.fiveHour)},
		{prefix + "5h-reset", endOfWindow(now, 5*time.Hour)},
		{prefix + "5h-utilization", strconv.FormatFloat(u.fiveHour, 'f', -1, 64)},
		{prefix + "7d-status", windowStatus(u.sevenDay)},
		{prefix + "7d-reset", endOfWindow(now, 7*24*time.Hour)},
		{prefix + "7d-utilization", strconv.FormatFloat(u.sevenDay, 'f', -1, 64)},
	}
}

func windowStatus(used float64) string {
	if used >= 0.9 {
		return "allowed_warning"
	}
	return "allowed"
}

// endOfWindow is the next multiple of length, in epoch seconds.
func endOfWindow(now time.Time, length time.Duration) string {
	return epoch(now.Truncate(length).Add(length))
}

// organization is an id of the form of a UUID that belongs to the name.
func organization(name string) string {
	s := sha256.Sum256([]byte(name))
	return fmt.Sprintf("%x-%x-%x-%x-%x", s[0:4], s[4:6], s[6:8], s[8:10], s[10:16])
}
