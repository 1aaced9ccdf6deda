package ledger

import (
	"bytes"
	"encoding/hex"
	"hash/crc32"
	"math"
	"strconv"
	"time"

	"github.com/google/uuid"

	"sluice/engine"
	"sluice/engine/body"
)

// rowVersion is the format that rows are written in. A reader skips fields that it does not know, so that only a change of what a field
// means needs another number.
const rowVersion = 1

// A row ends in its checksum, over all bytes before it: ,"crc":"0a1b2c3d"} and a line feed.
const (
	sealHead = `,"crc":"`
	sealLen  = len(sealHead) + 8 + len("\"}\n")
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// appendRow appends r as one line. Fields that are empty are left out.
func appendRow(dst []byte, r *engine.Record, told *mentions) []byte {
	start := len(dst)
	w := row{append(dst, `{"v":`...), told}
	w.b = strconv.AppendInt(w.b, rowVersion, 10)
	w.request(r)
	w.outcome(r)
	w.trace(r)
	return appendSeal(w.b, start)
}

// appendSeal closes the row that began at start.
func appendSeal(b []byte, start int) []byte {
	const digits = "0123456789abcdef"
	sum := crc32.Checksum(b[start:], castagnoli)
	b = append(b, sealHead...)
	for shift := 28; shift >= 0; shift -= 4 {
		b = append(b, digits[sum>>shift&15])
	}
	return append(b, "\"}\n"...)
}

// row writes JSON members, each with a comma before it.
type row struct {
	b    []byte
	told *mentions
}

func (w *row) key(k string) {
	b := append(w.b, `,"`...)
	b = append(b, k...)
	w.b = append(b, `":`...)
}

// end makes an object of the members that were written from start on: its brace takes the place of the first comma.
func (w *row) end(start int) {
	if len(w.b) == start {
		w.b = append(w.b, ',')
	}
	w.b[start] = '{'
	w.b = append(w.b, '}')
}

func (w *row) text(k, v string) {
	if v != "" {
		w.key(k)
		w.b = body.AppendString(w.b, v)
	}
}

func (w *row) number(k string, v int64) {
	if v != 0 {
		w.key(k)
		w.b = strconv.AppendInt(w.b, v, 10)
	}
}

func (w *row) float(k string, v float64) {
	if v != 0 && !math.IsNaN(v) && !math.IsInf(v, 0) {
		w.key(k)
		w.b = strconv.AppendFloat(w.b, v, 'g', -1, 64)
	}
}

func (w *row) flag(k string, v bool) {
	if v {
		w.key(k)
		w.b = append(w.b, "true"...)
	}
}

// millis writes a moment as milliseconds since 1970: shorter, for what a row has many of.
func (w *row) millis(k string, v time.Time) {
	if !v.IsZero() {
		w.key(k)
		w.b = strconv.AppendInt(w.b, v.UnixMilli(), 10)
	}
}

func (w *row) time(k string, v time.Time) {
	if !v.IsZero() {
		w.key(k)
		w.b = append(append(w.b, '"'), w.told.second.of(v)...)
		w.b = append(appendFraction(w.b, v.Nanosecond()), `Z"`...)
	}
}

// appendFraction appends the part of a second as RFC 3339 has it, without zeros at its end.
func appendFraction(b []byte, nanos int) []byte {
	if nanos == 0 {
		return b
	}
	point := len(b)
	b = strconv.AppendInt(b, 1e9+int64(nanos), 10) // a one and all nine digits
	b[point] = '.'
	return bytes.TrimRight(b, "0")
}

func (w *row) id(k string, v uuid.UUID) {
	w.key(k)
	w.b = append(w.b, '"')
	for i, part := range [...][]byte{v[:4], v[4:6], v[6:8], v[8:10], v[10:]} {
		if i > 0 {
			w.b = append(w.b, '-')
		}
		w.b = hex.AppendEncode(w.b, part)
	}
	w.b = append(w.b, '"')
}

// items writes a list of n items, none where n is 0.
func (w *row) items(k string, n int, item func(i int)) {
	if n == 0 {
		return
	}
	w.key(k)
	w.b = append(w.b, '[')
	for i := range n {
		if i > 0 {
			w.b = append(w.b, ',')
		}
		item(i)
	}
	w.b = append(w.b, ']')
}

// list is items that are objects.
func (w *row) list(k string, n int, object func(i int)) {
	w.items(k, n, func(i int) {
		start := len(w.b)
		object(i)
		w.end(start)
	})
}

func (w *row) texts(k string, n int, text func(i int) string) {
	w.items(k, n, func(i int) { w.b = body.AppendString(w.b, text(i)) })
}

func (w *row) request(r *engine.Record) {
	w.text("request_id", r.RequestID)
	w.text("client_request_id", r.ClientRequestID)
	w.text("upstream_request_id", r.UpstreamReqID)
	w.text("session_id", r.SessionID)
	w.time("started", r.Started)
	w.text("principal", r.Principal)
	w.text("key_id", r.KeyID)
	w.text("upstream", r.Upstream)
	w.text("method", r.Method)
	w.text("path", r.Path)
	w.text("query", r.Inputs.Query)
	w.text("model", r.Model)
	w.text("answered_model", r.Answered)
	w.flag("stream", r.Stream)
	w.number("max_tokens", r.Inputs.MaxTokens)
	w.text("service_tier", r.Inputs.ServiceTier)
	w.list("headers", len(r.Inputs.Headers), func(i int) {
		w.text("name", r.Inputs.Headers[i].Name)
		w.text("value", r.Inputs.Headers[i].Value)
	})
}

func (w *row) outcome(r *engine.Record) {
	w.number("status", int64(r.Status))
	w.text("code", string(r.Code))
	if r.Usage.Known {
		w.usage("usage", &r.Usage)
	}
	w.number("cost_micro_usd", r.CostMicroUSD)
	w.booked(r)
	w.text("arms", r.Arms)
	w.number("bytes_in", r.BytesIn)
	w.number("bytes_out", r.BytesOut)
	w.number("body_ns", int64(r.Timings.Body))
	w.number("decide_ns", int64(r.Timings.Decide))
	w.number("ttfb_ns", int64(r.Timings.TTFB))
	w.number("duration_ns", int64(r.Timings.Duration))
	w.number("generation", int64(r.Generation))
	w.text("dialect", r.Dialect)
}

func (w *row) usage(k string, u *engine.Usage) {
	w.key(k)
	start := len(w.b)
	w.number("input_tokens", u.InputTokens)
	w.number("output_tokens", u.OutputTokens)
	w.number("cache_creation_input_tokens", u.CacheCreationInputTokens)
	w.number("cache_creation_1h_input_tokens", u.CacheCreation1hTokens)
	w.number("cache_read_input_tokens", u.CacheReadInputTokens)
	w.end(start)
}

// booked writes what a request counts for, where that is not what its answer told.
func (w *row) booked(r *engine.Record) {
	w.flag("counts", r.Booked.Counts)
	w.text("own_limits", r.Booked.Own)
	if r.Booked.Counts && r.Booked.Usage != r.Usage {
		w.usage("booked_usage", &r.Booked.Usage)
	}
	if r.Booked.Counts && r.Booked.CostMicroUSD != r.CostMicroUSD {
		w.key("booked_micro_usd")
		w.b = strconv.AppendInt(w.b, r.Booked.CostMicroUSD, 10)
	}
}

func (w *row) trace(r *engine.Record) {
	t := &r.Trace
	w.candidates(t.Candidates)
	w.list("stages", len(t.Stages), func(i int) { w.stage(t, &t.Stages[i], w.told.rulings.of(stageOf{r.Principal, i})) })
	if p := &t.Terminal; p.Upstream != "" {
		w.key("picked")
		start := len(w.b)
		w.text("upstream", p.Upstream)
		w.text("by", p.By)
		w.text("script", p.Script)
		w.end(start)
	}
	w.list("attempts", len(t.Attempts), func(i int) {
		a := &t.Attempts[i]
		w.text("upstream", a.Upstream)
		w.number("status", int64(a.Status))
		w.text("error", a.Error)
		w.number("ttfb_ns", int64(a.TTFB))
		w.text("class", string(a.Class))
		w.cooling(&a.Cooling)
	})
	w.list("errors", len(t.Errors), func(i int) {
		e := &t.Errors[i]
		w.text("stage", string(e.Stage))
		w.text("kind", string(e.Kind))
		w.text("message", e.Message)
		w.texts("stack", len(e.Stack), func(i int) string { return e.Stack[i] })
	})
}

func (w *row) stage(t *engine.RoutingTrace, s *engine.StageDecision, told *ruling) {
	w.text("stage", s.Stage)
	w.text("script", s.Script)
	if told.tells(s, t.Candidates) {
		w.b = append(w.b, told.text...)
	} else {
		start := len(w.b)
		w.ruling(t, s)
		w.told.rulings.keep(told, s, t.Candidates, w.b[start:])
	}
	w.text("reason", s.Reason)
	w.text("error", s.Error)
	w.flag("denied", s.Denied)
	w.number("duration_ns", int64(s.Duration))
}

func (w *row) ruling(t *engine.RoutingTrace, s *engine.StageDecision) {
	w.texts("kept", len(s.Kept), func(i int) string { return t.Name(s.Kept[i]) })
	w.list("reasons", len(s.Dropped), func(i int) {
		d := &s.Dropped[i]
		w.text("upstream", t.Name(d.UpstreamID))
		w.flag("kept", d.Kept)
		w.text("reason", d.Reason)
	})
}

// closedBreaker is what a row does not mention.
const closedBreaker = "closed"

// candidates writes an upstream as its name where there is no more to tell, which is so for most, else as an object.
func (w *row) candidates(all []engine.UpstreamCandidate) {
	w.items("candidates", len(all), func(i int) {
		c := &all[i]
		m := w.told.of(i, c.Upstream)
		if c.CacheRead == nil && c.Vitals == m.vitals && len(m.text) > 0 {
			w.b = append(w.b, m.text...)
			return
		}
		start := len(w.b)
		w.candidate(c, m)
		if c.CacheRead == nil {
			m.vitals, m.text = c.Vitals, append(m.text[:0], w.b[start:]...)
		}
	})
}

// asItShouldBe reports whether nothing is known of an upstream that a row mentions.
func asItShouldBe(c *engine.UpstreamCandidate) bool {
	v := c.Vitals
	return c.CacheRead == nil && (v == nil || v.Healthy && v.Breaker == closedBreaker && v.Cooldown == 0 && v.Cooling.Class == "" && v.Reopens == 0 &&
		!v.Full && v.Queued == 0 && v.InFlight == 0 && v.Concurrency == 0 && v.ErrorRate == 0 && v.TTFB == 0 && len(v.RateLimits) == 0 && len(v.Quotas) == 0)
}

// candidate writes what changes of an upstream from request to request, as far as it is not as it should be; the rest is in the config of
// its time.
func (w *row) candidate(c *engine.UpstreamCandidate, m *mention) {
	if asItShouldBe(c) && m.derived {
		w.b = body.AppendString(w.b, c.Name)
		return
	}
	start := len(w.b)
	w.text("upstream", c.Name)
	if !m.derived {
		w.id("id", c.ID)
	}
	if v := c.Vitals; v != nil {
		w.flag("unhealthy", !v.Healthy)
		w.number("cooldown_ns", int64(v.Cooldown))
		if v.Breaker != closedBreaker {
			w.text("breaker", v.Breaker)
		}
		w.cooling(&v.Cooling)
		w.number("reopens_ns", int64(v.Reopens))
		w.flag("full", v.Full)
		w.number("queued", int64(v.Queued))
		w.number("in_flight", int64(v.InFlight))
		w.number("concurrency", int64(v.Concurrency))
		w.float("error_rate", v.ErrorRate)
		w.number("ttfb_ns", int64(v.TTFB))
		w.limits(v, m)
	}
	if n := c.CacheRead; n != nil {
		w.key("cache_read")
		w.b = strconv.AppendInt(w.b, *n, 10)
	}
	w.end(start)
}

// limits writes rate limits and quotas, which are the same for many rows.
func (w *row) limits(v *engine.Vitals, m *mention) {
	if len(v.RateLimits) == 0 && len(v.Quotas) == 0 {
		return
	}
	if is(v.RateLimits, m.rates) && is(v.Quotas, m.quotas) {
		w.b = append(w.b, m.limits...)
		return
	}
	start := len(w.b)
	w.list("rate_limits", len(v.RateLimits), func(i int) {
		l := &v.RateLimits[i]
		w.text("kind", l.Kind)
		w.text("window", l.Window)
		w.number("limit", l.Limit)
		w.number("remaining", l.Remaining)
		w.millis("resets_ms", l.Resets)
	})
	w.list("quotas", len(v.Quotas), func(i int) {
		q := &v.Quotas[i]
		w.text("window", q.Window)
		w.text("status", q.Status)
		w.float("utilization", q.Utilization)
		w.millis("resets_ms", q.Resets)
		w.millis("observed_ms", q.Observed)
	})
	m.rates, m.quotas, m.limits = v.RateLimits, v.Quotas, append(m.limits[:0], w.b[start:]...)
}

func (w *row) cooling(c *engine.Cooling) {
	if c.Class == "" {
		return
	}
	w.key("cooling")
	start := len(w.b)
	w.text("class", string(c.Class))
	w.text("account", c.Account)
	w.text("scope", c.Scope)
	w.flag("family", c.Family)
	w.millis("until_ms", c.Until)
	w.flag("soft", c.Soft)
	w.end(start)
}
