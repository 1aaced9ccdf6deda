package health

import (
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"sluice/engine"
)

const (
	limitPrefix   = "anthropic-ratelimit-"
	unifiedPrefix = "unified-"
)

// limits is the latest that an account's answers told. It is never written once it is published.
type limits struct {
	rates  []engine.RateLimit
	quotas []engine.Quota
}

// observe takes note of the limits in an answer's head. The very lines of the answer before tell nothing new, but of quotas that they
// still hold.
func (a *account) observe(headers engine.Headers, now time.Time) {
	first := slices.IndexFunc(headers, func(h engine.Header) bool { return isLimit(h.Name) })
	if first < 0 {
		return
	}
	headers = headers[first:]
	a.mu.Lock()
	defer a.mu.Unlock()
	old := a.limits.Load()
	if old == nil {
		old = &limits{}
	} else if len(old.quotas) == 0 && a.repeats(headers) {
		return
	}
	a.lines = a.lines[:0]
	for i := range headers {
		if isLimit(headers[i].Name) {
			a.lines = append(a.lines, headers[i])
		}
	}
	next := &limits{slices.Clone(old.rates), slices.Clone(old.quotas)}
	next.hear(a.lines, now)
	a.limits.Store(next)
}

// repeats reports whether the lines of limits in a head are those of the answer before. It is called with mu held.
func (a *account) repeats(headers engine.Headers) bool {
	n := 0
	for i := range headers {
		switch {
		case n < len(a.lines) && headers[i] == a.lines[n]:
			n++
		case isLimit(headers[i].Name):
			return false
		}
	}
	return n == len(a.lines)
}

func isLimit(name string) bool {
	return len(name) > len(limitPrefix) && engine.EqualFold(name[:len(limitPrefix)], limitPrefix)
}

// hear overlays l, which is not published yet, with the limits that a head tells.
func (l *limits) hear(headers engine.Headers, now time.Time) {
	for i := range headers {
		h := &headers[i]
		if !isLimit(h.Name) {
			continue
		}
		name := h.Name[len(limitPrefix):]
		kind, field := splitRate(name)
		if kind == "" {
			name = strings.ToLower(name)
			kind, field = splitRate(name)
		}
		if kind != "" {
			l.hearRate(kind, field, h.Value)
		} else if rest, ok := strings.CutPrefix(name, unifiedPrefix); ok {
			window, field := splitUnified(rest)
			l.hearQuota(window, field, h.Value, now)
		}
	}
}

// splitRate cuts "input-tokens-limit" into the kind of a rate limit, "" = that is none, and the field.
func splitRate(name string) (kind, field string) {
	cut := strings.LastIndexByte(name, '-')
	if cut < 0 {
		return "", ""
	}
	switch name[cut+1:] {
	case "limit", "remaining", "reset":
	default:
		return "", ""
	}
	switch name[:cut] {
	case "requests":
		kind = "requests"
	case "tokens":
		kind = "tokens"
	case "input-tokens":
		kind = "input_tokens"
	case "output-tokens":
		kind = "output_tokens"
	}
	return kind, name[cut+1:]
}

// splitUnified cuts "5h-utilization" into window and field; "status" alone is the window "unified".
func splitUnified(rest string) (window, field string) {
	window, field = "unified", rest
	if cut := strings.LastIndexByte(rest, '-'); cut >= 0 {
		window, field = rest[:cut], rest[cut+1:]
	}
	switch field {
	case "status", "reset", "utilization":
		return window, field
	}
	return "", ""
}

// lastSecond is the end of the year 9999: behind it no time can be told as JSON.
const lastSecond = 253402300799

func (l *limits) hearQuota(window, field, value string, now time.Time) {
	if window == "" {
		return
	}
	q := l.quota(window)
	q.Observed = now
	switch field {
	case "status":
		q.Status = value
	case "reset":
		if secs, err := strconv.ParseInt(value, 10, 64); err == nil && secs > 0 && secs <= lastSecond {
			q.Resets = time.Unix(secs, 0)
		}
	case "utilization":
		if u, err := strconv.ParseFloat(value, 64); err == nil && u >= 0 && !math.IsInf(u, 1) {
			q.Utilization = u
		}
	}
}

// maxQuotas is how many windows of an account are known at most. Upstreams choose the names.
const maxQuotas = 32

// quota finds a window. One that nobody knew is made; where there are too many, the one is forgotten that was told longest ago.
func (l *limits) quota(window string) *engine.Quota {
	i := slices.IndexFunc(l.quotas, func(q engine.Quota) bool { return q.Window == window })
	if i >= 0 {
		return &l.quotas[i]
	}
	if len(l.quotas) >= maxQuotas {
		oldest := slices.MinFunc(l.quotas, func(a, b engine.Quota) int { return a.Observed.Compare(b.Observed) }).Window
		l.quotas = slices.DeleteFunc(l.quotas, func(q engine.Quota) bool { return q.Window == oldest })
	}
	l.quotas = append(l.quotas, engine.Quota{Window: window, Utilization: -1})
	return &l.quotas[len(l.quotas)-1]
}

func (l *limits) hearRate(kind, field, value string) {
	i := slices.IndexFunc(l.rates, func(r engine.RateLimit) bool { return r.Kind == kind })
	if i < 0 {
		i = len(l.rates)
		l.rates = append(l.rates, engine.RateLimit{Kind: kind, Window: "1m", Limit: -1, Remaining: -1})
	}
	r := &l.rates[i]
	switch field {
	case "limit":
		take(value, &r.Limit)
	case "remaining":
		take(value, &r.Remaining)
	case "reset":
		if at, err := time.Parse(time.RFC3339, value); err == nil {
			r.Resets = at
		}
	}
}

// take reads a number; what is none changes nothing.
func take(value string, into *int64) {
	if n, err := strconv.ParseInt(value, 10, 64); err == nil {
		*into = n
	}
}
