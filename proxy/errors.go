package proxy

import (
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/valyala/fasthttp"

	"sluice/engine"
	"sluice/engine/body"
)

// meaning is what a code is on the wire.
type meaning struct {
	status int
	kind   string        // one of the API's own error types
	close  bool          // the connection ends with the answer
	retry  time.Duration // when to come back if the refusal does not say
	final  bool          // trying again does not help
}

// meanings is the one table of what our own errors look like.
var meanings = map[engine.Code]meaning{
	engine.CodeBadKey:                {status: 401, kind: "authentication_error", final: true},
	engine.CodePrincipalDisabled:     {status: 403, kind: "permission_error"},
	engine.CodeModelNotAllowed:       {status: 403, kind: "permission_error"},
	engine.CodePathNotAllowed:        {status: 403, kind: "permission_error"},
	engine.CodeDeniedByFilter:        {status: 403, kind: "permission_error"},
	engine.CodeForbiddenOrigin:       {status: 403, kind: "permission_error"},
	engine.CodeBadBody:               {status: 400, kind: "invalid_request_error"},
	engine.CodeBadRequest:            {status: 400, kind: "invalid_request_error", close: true},
	engine.CodeClientTimeout:         {status: 400, kind: "invalid_request_error", close: true},
	engine.CodePathNotServed:         {status: 404, kind: "not_found_error"},
	engine.CodeBodyTooLarge:          {status: 413, kind: "request_too_large"},
	engine.CodeTooBusy:               {status: 529, kind: "overloaded_error", retry: time.Second},
	engine.CodeLimitRequests:         {status: 429, kind: "rate_limit_error"},
	engine.CodeLimitInputTokens:      {status: 429, kind: "rate_limit_error"},
	engine.CodeLimitOutputTokens:     {status: 429, kind: "rate_limit_error"},
	engine.CodeLimitTotalTokens:      {status: 429, kind: "rate_limit_error"},
	engine.CodeLimitCostUSD:          {status: 429, kind: "rate_limit_error"},
	engine.CodeLimitConcurrency:      {status: 429, kind: "rate_limit_error"},
	engine.CodeNoUpstreamAfterFilter: {status: 503, kind: "overloaded_error"},
	engine.CodeNoUpstreamAvailable:   {status: 529, kind: "overloaded_error"},
	engine.CodeFilterFailed:          {status: 503, kind: "overloaded_error"},
	engine.CodeRouterFailed:          {status: 502, kind: "api_error"},
	engine.CodeDialectFailed:         {status: 502, kind: "api_error"},
	engine.CodeSignerFailed:          {status: 502, kind: "api_error"},
	engine.CodeUpstreamCredential:    {status: 502, kind: "api_error"},
	engine.CodeUpstreamUnreachable:   {status: 502, kind: "api_error"},
	engine.CodeUpstreamTimeout:       {status: 504, kind: "timeout_error"},
	engine.CodeDraining:              {status: 503, kind: "overloaded_error", close: true, retry: time.Second},
	engine.CodeClientGone:            {status: statusGone, kind: "api_error", close: true},
	engine.CodeInternal:              {status: 500, kind: "api_error", close: true},
}

// statusGone is the status of a request whose client left: nobody gets to see it.
const statusGone = 499

// longRetry is the wait from which on clients are told not to sit it out.
const longRetry = 60 * time.Second

func meaningOf(code engine.Code) meaning {
	if m, ok := meanings[code]; ok {
		return m
	}
	return meanings[engine.CodeInternal]
}

// writeRefusal makes r the answer.
func writeRefusal(to *fasthttp.Response, r *engine.Refusal, requestID string) {
	m := meaningOf(r.Code)
	if r.Quota {
		m.status, m.kind = 429, "rate_limit_error"
	}
	to.Reset()
	to.Header.DisableNormalizing()
	to.SetStatusCode(m.status)
	h := &to.Header
	h.SetContentType("application/json")
	h.Set("request-id", requestID)
	h.Set("x-sluice-error", string(r.Code))
	message, wait := r.Message, r.RetryAfter
	if wait == 0 {
		wait = m.retry
	}
	if wait > 0 {
		h.Set("retry-after", strconv.FormatInt(int64(math.Ceil(wait.Seconds())), 10))
	}
	if wait > longRetry {
		message += fmt.Sprintf(" (free again at %s)", time.Now().Add(wait).UTC().Format(time.RFC3339))
	}
	if m.final || wait > longRetry {
		h.Set("x-should-retry", "false")
	}
	if m.close {
		to.SetConnectionClose()
	}
	to.SetBodyRaw(appendError(nil, m.kind, message, requestID))
}

// appendError writes an error body as the API does.
func appendError(b []byte, kind, message, requestID string) []byte {
	b = body.AppendString(append(b, `{"type":"error","error":{"type":`...), kind)
	b = body.AppendString(append(b, `,"message":`...), message)
	b = body.AppendString(append(b, `},"request_id":`...), requestID)
	return append(b, '}')
}
