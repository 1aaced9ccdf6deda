package health

import (
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

// observe takes note of the limits in an answer's head.
func (a *account) observe(headers engine.Headers, now time.Time) {
	if !slices.ContainsFunc(headers, func(h engine.Header) bool { return isLimit(h.Name) }) {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	var v engine.Vitals
	if l := a.limits.Load(); l != nil {
		v.RateLimits, v.Quotas = l.rates, l.quotas
	}
	observeLimits(&v, headers, now)
	a.limits.Store(&limits{v.RateLimits, v.Quotas})
}

func isLimit(name string) bool {
	return len(name) > len(limitPrefix) && engine.EqualFold(name[:len(limitPrefix)], limitPrefix)
}

// observeLimits overlays v with the rate limits and quotas that an answer's headers tell. The slices in v are replaced, never written:
// snapshots share them.
func observeLimits(v *engine.Vitals, headers engine.Headers, now time.Time) {
	rates, quotas := slices.Clone(v.RateLimits), slices.Clone(v.Quotas)
	seen := false
	for _, h := range headers {
		if !isLimit(h.Name) {
			continue
		}
		seen = true
		name := strings.ToLower(h.Name[len(limitPrefix):])
		if rest, ok := strings.CutPrefix(name, unifiedPrefix); ok {
			window, field := splitUnified(rest)
			quotas = observeQuota(quotas, window, field, h.Value, now)
		} else if i := strings.LastIndexByte(name, '-'); i > 0 {
			rates = observeRate(rates, kinds[name[:i]], name[i+1:], h.Value)
		}
	}
	if seen {
		v.RateLimits, v.Quotas = rates, quotas
	}
}

// splitUnified cuts "5h-utilization" into window and field; "status" alone is the window "unified".
func splitUnified(rest string) (window, field string) {
	for _, f := range [...]string{"status", "reset", "utilization"} {
		if rest == f {
			return "unified", f
		}
		if w, ok := strings.CutSuffix(rest, "-"+f); ok {
			return w, f
		}
	}
	return "", ""
}

func observeQuota(quotas []engine.Quota, window, field, value string, now time.Time) []engine.Quota {
	if window == "" {
		return quotas
	}
	i := slices.IndexFunc(quotas, func(q engine.Quota) bool { return q.Window == window })
	if i < 0 {
		i = len(quotas)
		quotas = append(quotas, engine.Quota{Window: window, Utilization: -1})
	}
	q := &quotas[i]
	q.Observed = now
	switch field {
	case "status":
		q.Status = value
	case "reset":
		if secs, err := strconv.ParseInt(value, 10, 64); err == nil {
			q.Resets = time.Unix(secs, 0)
		}
	case "utilization":
		if u, err := strconv.ParseFloat(value, 64); err == nil && u >= 0 {
			q.Utilization = u
		}
	}
	return quotas
}

// kinds are the rate limits that are known, by their names in headers.
var kinds = map[string]string{"requests": "requests", "tokens": "tokens", "input-tokens": "input_tokens", "output-tokens": "output_tokens"}

func observeRate(rates []engine.RateLimit, kind, field, value string) []engine.RateLimit {
	if kind == "" {
		return rates
	}
	i := slices.IndexFunc(rates, func(r engine.RateLimit) bool { return r.Kind == kind })
	if i < 0 {
		i = len(rates)
		rates = append(rates, engine.RateLimit{Kind: kind, Window: "1m", Limit: -1, Remaining: -1})
	}
	r := &rates[i]
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
	return rates
}

// take reads a number; what is none changes nothing.
func take(value string, into *int64) {
	if n, err := strconv.ParseInt(value, 10, 64); err == nil {
		*into = n
	}
}
