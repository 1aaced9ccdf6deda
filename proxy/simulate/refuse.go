package simulate

import (
	"encoding/json"
	"strconv"
	"time"
)

// refuse carries out the faults that do not look at what is asked. It reports whether it did.
func (x *exchange) refuse() bool {
	retry, stop := Header{"x-should-retry", "true"}, Header{"x-should-retry", "false"}
	switch x.fault.name {
	case "401":
		x.fail(401, "authentication_error", "invalid x-api-key", stop)
	case "403":
		x.fail(403, "permission_error", "Your API key does not have permission to use the specified resource.", stop)
	case "404-model":
		x.fail(404, "not_found_error", "model: "+x.model(), stop)
	case "429":
		x.fail(429, "rate_limit_error", "This request would exceed your organization's rate limit of 4000 requests per minute.",
			append(x.exhausted(), Header{"retry-after", seconds(x.fault.wait)}, retry)...)
	case "429-window":
		x.fail(429, "rate_limit_error", "This request would exceed your account's rate limit. Please try again later.",
			x.closedWindow()...)
	case "429-spend":
		x.fail(429, "rate_limit_error", "Your organization has reached its monthly spend limit.")
	case "overloaded-429":
		x.fail(429, "overloaded_error", "Overloaded", Header{"retry-after", "1"}, retry)
	case "500":
		x.fail(500, "api_error", "Internal server error", retry)
	case "529":
		x.fail(529, "overloaded_error", "Overloaded", retry)
	default:
		return x.refuseOnTheWay()
	}
	return true
}

// refuseOnTheWay carries out the faults of what stands before the API: the CDN and the network.
func (x *exchange) refuseOnTheWay() bool {
	switch x.fault.name {
	case "502-html":
		x.page(502, "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n"+
			"<body>\r\n<center><h1>502 Bad Gateway</h1></center>\r\n<hr><center>cloudflare</center>\r\n</body>\r\n</html>\r\n")
	case "503":
		x.page(503, "")
	case "redirect":
		x.page(302, "", Header{"location", "/v1/redirected"})
	case "garbage":
		_, _ = x.conn.Write([]byte("\x00\xffthis is\r\nno HTTP at all\r\n\r\n\x16\x03\x01"))
		x.hangUp(Cut)
	case "reset-before-head":
		x.hangUp(Cut)
	case "stall-head":
		x.hangUp(endOf(x.conn.wait(-1)))
	default:
		return false
	}
	return true
}

// model is the one the request names, "unknown" if it names none.
func (x *exchange) model() string {
	var r struct{ Model string }
	if json.Unmarshal(x.req.Body, &r) != nil || r.Model == "" {
		return "unknown"
	}
	return r.Model
}

func (x *exchange) exhausted() []Header {
	reset := x.req.Arrived.Add(x.fault.wait).UTC().Format(time.RFC3339)
	return []Header{{"anthropic-ratelimit-requests-remaining", "0"}, {"anthropic-ratelimit-requests-reset", reset}}
}

// closedWindow are the headers of a subscription whose five hours are used up. The retry-after is shorter than the window on
// purpose: who obeys it alone comes back too early.
func (x *exchange) closedWindow() []Header {
	reset := epoch(x.req.Arrived.Add(x.fault.wait))
	return append((&unified{1, 0.5}).headers(x.req.Arrived),
		Header{"anthropic-ratelimit-unified-status", "rejected"},
		Header{"anthropic-ratelimit-unified-reset", reset},
		Header{"anthropic-ratelimit-unified-5h-status", "rejected"},
		Header{"anthropic-ratelimit-unified-5h-reset", reset},
		Header{"retry-after", "5"})
}

// seconds rounds up, as a retry-after must.
func seconds(d time.Duration) string {
	return strconv.FormatInt(int64((d+time.Second-1)/time.Second), 10)
}

func epoch(t time.Time) string {
	return strconv.FormatInt(t.Unix(), 10)
}
