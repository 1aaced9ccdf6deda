package health_test

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"sluice/engine"
	"sluice/engine/health"
)

// noon is the moment of every outcome here.
var noon = time.Date(2027, 1, 2, 12, 0, 0, 0, time.UTC)

// seen is an outcome of an upstream of a kind that a request for claude-opus-4-5 went to. Headers are lines.
func seen(kind engine.UpstreamKind, status int, body string, headers ...string) *engine.Outcome {
	o := &engine.Outcome{Status: status, Body: []byte(body), Now: noon, Fresh: true}
	o.To = engine.Account{Upstream: &engine.Upstream{Name: "up", Kind: kind, Models: map[string]string{"claude-opus-4-5": "own-name"}}, Model: "claude-opus-4-5"}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		o.Headers.Add(name, value)
	}
	return o
}

// shown is a verdict in words: class, where else, what cools for how long.
func shown(v engine.Verdict) string {
	s := string(v.Class)
	if v.Elsewhere {
		s += " elsewhere"
	}
	if c := v.Cool; c.Class != "" {
		s += fmt.Sprintf("; %s %v", c.String(), c.Until.Sub(noon))
		if c.Soft {
			s += " softly"
		}
	}
	return s
}

func said(kind, message string) string {
	return fmt.Sprintf(`{"type":"error","error":{"type":%q,"message":%q},"request_id":"req_1"}`, kind, message)
}

func epoch(d time.Duration) string { return fmt.Sprint(noon.Add(d).Unix()) }

func TestWhatAnAnswerOfTheAPIMeans(t *testing.T) {
	f := func(want string, status int, body string, headers ...string) {
		t.Helper()
		if got := shown(health.Classify(seen(engine.KindAnthropicDirect, status, body, headers...))); got != want {
			t.Errorf("%d %s %q: %s, want %s", status, body, headers, got, want)
		}
	}
	f("", 200, "")
	f("", 302, "")
	f("", 400, said("invalid_request_error", "prompt is too long: 210000 tokens > 200000 maximum"))
	f("", 404, said("not_found_error", "file_1 not found"))
	f("", 413, said("request_too_large", "Request exceeds the maximum size"))

	f("overloaded; account 1s softly", 529, "")
	f("overloaded; account 1s softly", 429, said("overloaded_error", "Overloaded"))
	f("overloaded; account 7s softly", 429, said("overloaded_error", "Overloaded"), "Retry-After: 7")
	f("overloaded; account 1m0s softly", 529, "", "retry-after: 3600")

	f("throttled; account 40s", 429, said("rate_limit_error", "slow down"), "retry-after: 40")
	f("throttled; account 1.5s", 429, said("rate_limit_error", "slow down"), "retry-after-ms: 1500", "retry-after: 2")
	f("throttled; account 30s", 429, said("rate_limit_error", "slow down"), "retry-after: Sat, 02 Jan 2027 12:00:30 GMT")
	f("throttled; account 20s", 429, said("rate_limit_error", "slow down"), "anthropic-ratelimit-requests-remaining: 0",
		"anthropic-ratelimit-requests-reset: 2027-01-02T12:00:50Z", "anthropic-ratelimit-input-tokens-remaining: 0",
		"anthropic-ratelimit-input-tokens-reset: 2027-01-02T12:00:20Z", "anthropic-ratelimit-tokens-remaining: 5",
		"anthropic-ratelimit-tokens-reset: 2027-01-02T12:00:01Z")
	f("throttled; account 960h0m0s", 429, said("rate_limit_error", "slow down"), "retry-after: 99999999999999999999")

	const rejected, claim, reset = "anthropic-ratelimit-unified-status: rejected", "anthropic-ratelimit-unified-representative-claim: ", "-reset: "
	const unified = "anthropic-ratelimit-unified-"
	f("window_exhausted; account 4h0m0s", 429, said("rate_limit_error", "limit"), rejected, claim+"five_hour",
		unified+"5h"+reset+epoch(4*time.Hour), unified+"reset: "+epoch(4*time.Hour), "retry-after: 5")
	f("window_exhausted; account 50h0m0s", 429, "", rejected, claim+"seven_day", unified+"reset: "+epoch(50*time.Hour))
	f("window_exhausted; account for own-name 31h0m0s", 429, "", rejected, claim+"seven_day_sonnet", unified+"reset: "+epoch(31*time.Hour))
	f("window_exhausted; account for own-name 9h0m0s", 429, "", rejected, unified+"7d_opus-status: rejected", unified+"7d_opus"+reset+epoch(9*time.Hour),
		unified+"5h-status: allowed", unified+"5h"+reset+epoch(time.Hour))
	f("window_exhausted; account 9s", 429, "", rejected, claim+"five_hour", unified+"reset: "+epoch(-time.Hour), "retry-after: 9")
	f("window_exhausted; account 5m0s", 429, "", rejected)
	f("throttled; account 5s", 429, said("rate_limit_error", "slow"), unified+"status: allowed", unified+"5h"+reset+epoch(time.Hour), "retry-after: 5")
	f("throttled; account 1s softly", 429, said("rate_limit_error", "slow"), unified+"status: allowed_warning")

	f("spend_cap; account 1h0m0s", 429, said("rate_limit_error", "Your organization has reached its monthly spend limit."))
	for _, now := range []string{"retry-after: 0", "retry-after: -3", "retry-after-ms: 0", "retry-after: soon", "retry-after: Sat, 02 Jan 2027 11:59:59 GMT"} {
		f("throttled; account 1s softly", 429, said("rate_limit_error", "slow down"), now) // it says when, which a spend cap never does
	}
	f("billing elsewhere; account 1h0m0s", 402, said("billing_error", "pay"))
	f("billing elsewhere; account 1h0m0s", 400, said("invalid_request_error", "Your credit balance is too low to access the Anthropic API."))
	f("billing elsewhere; account 1h0m0s", 400, said("invalid_request_error", "You have reached your specified API usage limits. You will regain access on 2027-02-01."))

	for _, echo := range []string{"Your credit balance is too low: Extra inputs are not permitted", // a client's key, repeated
		"messages.0: Input tag 'This organization has been disabled.' found", "This organization has been disabled.: Extra inputs are not permitted"} {
		f("", 400, said("invalid_request_error", echo))
	}

	f("credential_dead elsewhere; account 5m0s", 401, said("authentication_error", "invalid x-api-key"))
	f("credential_dead elsewhere; account 5m0s", 403, said("permission_error", "OAuth authentication is currently not allowed for this organization."))
	f("credential_dead elsewhere; account 5m0s", 403, said("permission_error", "OAuth token has been revoked. Please obtain a new token."))
	f("credential_dead elsewhere; account 5m0s", 400, said("invalid_request_error", "This organization has been disabled."))
	f("not_permitted elsewhere; account for own-name 1m0s softly", 403, said("permission_error", "Your API key does not have permission to use the specified resource."))
	f("", 403, said("permission_error", "OAuth token does not meet scope requirement user:inference"))
	f("", 400, said("invalid_request_error", "This credential is only authorized for use with Claude Code and cannot be used for other API requests."))

	f("model_not_served elsewhere; account for own-name 10m0s softly", 404, said("not_found_error", "model: claude-opus-4-5"))
	f("model_not_served elsewhere; account for own-name 10m0s softly", 404, said("not_found_error", "model: own-name"))

	f("provider_error", 500, "")
	f("provider_error", 504, "", "content-type: application/json")
	f("cdn_error", 502, "", "content-type: text/html")
	f("cdn_error", 503, "")
	f("cdn_error elsewhere", 520, "")
	f("cdn_error elsewhere", 524, "")
}

func TestWhatAnAnswerOfACloudMeans(t *testing.T) {
	f := func(kind engine.UpstreamKind, want string, status int, body string, headers ...string) {
		t.Helper()
		if got := shown(health.Classify(seen(kind, status, body, headers...))); got != want {
			t.Errorf("%s %d %s %q: %s, want %s", kind, status, body, headers, got, want)
		}
	}
	const model = "model_not_served elsewhere; account for own-name 10m0s softly"
	b, m, v, c := engine.KindBedrockRuntime, engine.KindBedrockMantle, engine.KindVertex, engine.KindCustom
	f(b, "throttled; account 1s softly", 429, `{"message":"Too many requests"}`, "x-amzn-ErrorType: ThrottlingException:http://internal")
	f(b, "throttled elsewhere; account 1s softly", 400, `{"message":"x"}`, "x-amzn-ErrorType: ServiceQuotaExceededException")
	f(b, "overloaded; account 1s softly", 503, "")
	f(b, "provider_error elsewhere", 424, `{"message":"model error"}`)
	f(b, "provider_error elsewhere", 408, `{"message":"timeout"}`)
	f(b, "credential_dead elsewhere; account 5m0s", 403, `{"message":"The security token included in the request is expired"}`, "x-amzn-ErrorType: ExpiredTokenException")
	f(b, "credential_dead elsewhere; account 5m0s", 403, `{"__type":"UnrecognizedClientException","message":"invalid"}`)
	f(b, model, 403, `{"message":"You don't have access to the model with the specified model ID."}`, "x-amzn-ErrorType: AccessDeniedException")
	f(b, model, 400, `{"message":"Invocation of model ID x with on-demand throughput isn’t supported."}`, "x-amzn-ErrorType: ValidationException")
	f(b, model, 400, `{"message":"The provided model identifier is invalid."}`)
	f(b, model, 404, `{"message":"gone"}`, "x-amzn-ErrorType: ResourceNotFoundException")
	f(b, "", 400, `{"message":"Input is too long for requested model."}`)
	f(m, model, 400, said("invalid_request_error", "own-name is not available"))
	f(m, model, 403, said("permission_error", "own-name: access was not granted"))
	f(v, "throttled; account 1s softly", 429, `[{"error":{"code":429,"message":"Quota exceeded","status":"RESOURCE_EXHAUSTED"}}]`)
	f(v, model, 404, `{"error":{"code":404,"message":"Publisher Model not found","status":"NOT_FOUND"}}`)
	f(c, "throttled; account 1s softly", 429, `{"error":{"message":"slow"}}`)
	f(c, model, 404, `{"error":{"code":"model_not_found","message":"The model claude-opus-4-5 does not exist"}}`)
	f(c, "", 404, "not here")
}

// TestAWindowOfAFamilyIsAboutWhatTheUpstreamServes: its own name for the model tells the family, and not the one that was asked. Where it
// tells another family a dialect chose the model, and only that one is known to be used up.
func TestAWindowOfAFamilyIsAboutWhatTheUpstreamServes(t *testing.T) {
	f := func(want, own string) {
		t.Helper()
		o := seen(engine.KindAnthropicDirect, 429, "", "anthropic-ratelimit-unified-status: rejected",
			"anthropic-ratelimit-unified-representative-claim: seven_day_opus", "anthropic-ratelimit-unified-reset: "+epoch(30*time.Hour))
		o.To.Upstream.Models["claude-opus-4-5"] = own
		if got := shown(health.Classify(o)); got != want {
			t.Errorf("%s: %s, want %s", own, got, want)
		}
	}
	f("window_exhausted; account for opus 30h0m0s", "us.anthropic.claude-Opus-4-5-v1:0")
	f("window_exhausted; account for claude-sonnet-4-5 30h0m0s", "claude-sonnet-4-5")
	f("window_exhausted; account for house-model 30h0m0s", "house-model")
}

// TestARefusalWithoutAModelIsNotTheWholeAccounts: of a path that names no model.
func TestARefusalWithoutAModelIsNotTheWholeAccounts(t *testing.T) {
	o := seen(engine.KindAnthropicDirect, 403, said("permission_error", "not for you"))
	o.To.Model = ""
	if got, want := shown(health.Classify(o)), "not_permitted elsewhere"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// TestAClientsOwnCredentialIsItsOwnAffair: what it may not do it is told, and nobody else is asked in its place.
func TestAClientsOwnCredentialIsItsOwnAffair(t *testing.T) {
	f := func(want string, status int, body string) {
		t.Helper()
		o := seen(engine.KindAnthropicDirect, status, body)
		o.Theirs = true
		if got := shown(health.Classify(o)); got != want {
			t.Errorf("%d %s: %s, want %s", status, body, got, want)
		}
	}
	f("", 401, said("authentication_error", "invalid x-api-key"))
	f("", 403, said("permission_error", "OAuth token has been revoked."))
	f("", 402, said("billing_error", "pay"))
	f("overloaded; account 1s softly", 529, "")
}

func TestA401IsNoVerdictWhileThereIsAFresherCredential(t *testing.T) {
	o := seen(engine.KindAnthropicDirect, 401, said("authentication_error", "OAuth token has expired."))
	o.Fresh = false
	if v := health.Classify(o); v != (engine.Verdict{}) {
		t.Errorf("%+v", v)
	}
}

func TestWhyThereIsNoAnswer(t *testing.T) {
	f := func(want engine.FailureClass, err error) {
		t.Helper()
		v := health.Classify(&engine.Outcome{Err: fmt.Errorf("wrapped: %w", err), Now: noon})
		if v.Class != want || !v.Elsewhere || v.Cool.Class != "" || v.Class.Broken() != (want != engine.ClassShortage) {
			t.Errorf("%v: %+v, want %s elsewhere", err, v, want)
		}
	}
	f(engine.ClassTimeout, engine.ErrUpstreamTimeout)
	f(engine.ClassTimeout, os.ErrDeadlineExceeded)
	f(engine.ClassDNS, &net.OpError{Op: "dial", Err: &net.DNSError{Err: "no such host", Name: "x"}})
	f(engine.ClassRefused, &net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)})
	f(engine.ClassTLS, &tls.CertificateVerificationError{Err: errors.New("unknown authority")})
	f(engine.ClassTLS, tls.RecordHeaderError{Msg: "not TLS"})
	f(engine.ClassReset, syscall.ECONNRESET)
	f(engine.ClassReset, io.ErrUnexpectedEOF)
	f(engine.ClassUnreachable, errors.New("it is not HTTP/1.1"))
	f(engine.ClassShortage, errors.Join(&net.DNSError{Err: "no such host", Name: "x"}, syscall.EMFILE))
	f(engine.ClassShortage, &net.OpError{Op: "dial", Err: os.NewSyscallError("socket", syscall.EMFILE)})
	f(engine.ClassShortage, &net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.EADDRNOTAVAIL)})
}

// FuzzClassify: whatever an upstream says has a meaning, and what cools does so for a bounded time that is to come.
func FuzzClassify(f *testing.F) {
	f.Add(429, `{"error":{"type":"rate_limit_error"}}`, "5", "rejected", "seven_day_opus", "1799000000")
	f.Add(403, `[[[`, "-1", "", "five_hour", "x")
	f.Fuzz(func(t *testing.T, status int, body, retry, unified, claim, reset string) {
		o := seen(engine.KindAnthropicDirect, status, body)
		const prefix = "anthropic-ratelimit-unified-"
		for name, value := range map[string]string{"retry-after": retry, prefix + "status": unified, prefix + "representative-claim": claim, prefix + "reset": reset} {
			o.Headers.Add(name, value)
		}
		v := health.Classify(o)
		if c := v.Cool; c.Class != "" && (!c.Until.After(noon) || c.Until.After(noon.Add(41*24*time.Hour))) {
			t.Errorf("cools until %v", c.Until)
		}
	})
}
