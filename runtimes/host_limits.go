package runtimes

import (
	"fmt"
	"time"

	"sluice/engine"
)

// rateLimit is one observed rate limit, seen at a moment. It is given by value, so that two of one observation are equal.
type rateLimit struct {
	*engine.RateLimit
	now time.Time
}

// quota is one window of a subscription, seen at a moment. It is given by value as well.
type quota struct {
	*engine.Quota
	now time.Time
}

// TypeRateLimit is one of an account's rate limits.
var TypeRateLimit = newType(Type{
	Name: "rate_limit",
	Doc:  "The last observation of one of an account's rate limits.",
	Fields: []Field{
		{Name: "kind", Type: "string", Doc: "requests, tokens, input_tokens or output_tokens.",
			Get: func(receiver any) Value { return text(receiver.(rateLimit).Kind) },
			Put: func(receiver any, v Value) error { return putString(&receiver.(rateLimit).Kind, v) }},
		{Name: "window", Type: "string or nothing", Doc: "The window it counts in.",
			Get: func(receiver any) Value { return text(receiver.(rateLimit).Window) },
			Put: func(receiver any, v Value) error { return putString(&receiver.(rateLimit).Window, v) }},
		{Name: "limit", Type: "int or nothing", Doc: "How much a window allows.",
			Get: func(receiver any) Value { return said(receiver.(rateLimit).Limit) },
			Put: func(receiver any, v Value) error { return putSaid(&receiver.(rateLimit).Limit, v) }},
		{Name: "remaining", Type: "int or nothing", Doc: "How much is left in this window.",
			Get: func(receiver any) Value { return said(receiver.(rateLimit).Remaining) },
			Put: func(receiver any, v Value) error { return putSaid(&receiver.(rateLimit).Remaining, v) }},
		{Name: "resets_ms", Type: "int or nothing", Doc: "Milliseconds until the window begins anew, 0 when it has.",
			Get: func(receiver any) Value { return untilReset(receiver.(rateLimit).Resets, receiver.(rateLimit).now) },
			Put: func(receiver any, v Value) error {
				return putMoment(&receiver.(rateLimit).Resets, receiver.(rateLimit).now, v)
			}},
	},
})

// TypeQuota is one window of a subscription.
var TypeQuota = newType(Type{
	Name: "quota",
	Doc:  "The last observation of one window of a subscription.",
	Fields: []Field{
		{Name: "window", Type: "string", Doc: "5h, 7d, 7d_opus, overage, unified …",
			Get: func(receiver any) Value { return text(receiver.(quota).Window) },
			Put: func(receiver any, v Value) error { return putString(&receiver.(quota).Window, v) }},
		{Name: "state", Type: "string", Doc: "fresh, stale (observed more than ten minutes ago) or missing.",
			Get: func(receiver any) Value { q := receiver.(quota); return OfString(q.State(q.now)) },
			Put: putQuotaState},
		{Name: "status", Type: "string or nothing", Doc: "allowed, allowed_warning, rejected … as the provider says.",
			Get: func(receiver any) Value { return text(receiver.(quota).Status) },
			Put: func(receiver any, v Value) error { return putString(&receiver.(quota).Status, v) }},
		{Name: "utilization", Type: "float or nothing", Doc: "How full the window was, 0..1.",
			Get: getQuotaUtilization,
			Put: putQuotaUtilization},
		{Name: "resets_ms", Type: "int or nothing", Doc: "Milliseconds until the window begins anew, 0 when it has.",
			Get: func(receiver any) Value { return untilReset(receiver.(quota).Resets, receiver.(quota).now) },
			Put: func(receiver any, v Value) error {
				return putMoment(&receiver.(quota).Resets, receiver.(quota).now, v)
			}},
	},
})

// rateLimits and quotas are a candidate's lists.
type (
	rateLimits struct{ c *Candidate }
	quotas     struct{ c *Candidate }
)

func (l rateLimits) Len() int { return len(l.c.RateLimits) }
func (l rateLimits) At(i int) Value {
	return OfHost(TypeRateLimit, rateLimit{&l.c.RateLimits[i], l.c.Call.Now})
}

func (l quotas) Len() int       { return len(l.c.Quotas) }
func (l quotas) At(i int) Value { return OfHost(TypeQuota, quota{&l.c.Quotas[i], l.c.Call.Now}) }

func getQuotaUtilization(receiver any) Value {
	if u := receiver.(quota).Utilization; u >= 0 {
		return OfFloat(u)
	}
	return Value{}
}

func putQuotaUtilization(receiver any, v Value) error {
	if v.Kind == Nil {
		receiver.(quota).Utilization = -1
		return nil
	}
	return putShare(&receiver.(quota).Utilization, v)
}

// said is n, or nothing where the provider did not say.
func said(n int64) Value {
	if n < 0 {
		return Value{}
	}
	return OfInt(n)
}

func putSaid(to *int64, v Value) error {
	if v.Kind == Nil {
		*to = -1
		return nil
	}
	return putInt(to, v)
}

func putQuotaState(receiver any, v Value) error {
	q := receiver.(quota)
	switch {
	case v.Kind != String:
		return wrongType(v, "fresh, stale or missing")
	case v.Str == "fresh":
		q.Observed = q.now
	case v.Str == "stale":
		q.Observed = q.now.Add(-2 * engine.QuotaStaleAfter)
	case v.Str == "missing":
		q.Observed = time.Time{}
	default:
		return fmt.Errorf("is %s, want fresh, stale or missing", describe(v))
	}
	return nil
}

// putRateLimits takes {kind: {limit, remaining, …}}, or a list of such maps with their kind.
func putRateLimits(receiver any, v Value) error {
	c := receiver.(*Candidate)
	c.RateLimits = nil
	return eachEntry(v, func(kind string, entry Value) error {
		r := rateLimit{&engine.RateLimit{Kind: kind, Limit: -1, Remaining: -1}, c.Call.Now}
		err := build(TypeRateLimit, r, entry)
		c.RateLimits = append(c.RateLimits, *r.RateLimit)
		return err
	})
}

// putQuotas takes {window: utilization}, {window: {utilization, status, …}}, or a list of such maps with their window.
func putQuotas(receiver any, v Value) error {
	c := receiver.(*Candidate)
	c.Quotas = nil
	return eachEntry(v, func(window string, entry Value) (err error) {
		q := quota{&engine.Quota{Window: window, Status: "allowed", Utilization: -1, Observed: c.Call.Now}, c.Call.Now}
		if _, isNumber := entry.Number(); isNumber {
			err = TypeQuota.put(q, "utilization", entry)
		} else {
			err = build(TypeQuota, q, entry)
		}
		c.Quotas = append(c.Quotas, *q.Quota)
		return err
	})
}

// eachEntry calls f for the entries of a map by their key, or for those of a list with no key.
func eachEntry(v Value, f func(key string, entry Value) error) (err error) {
	if l, ok := asList(v); ok {
		for i := 0; i < l.Len() && err == nil; i++ {
			err = f("", l.At(i))
		}
		return err
	}
	if v.Kind != Map {
		return wrongType(v, "a map")
	}
	bad := v.Ref.(Mapper).Each(func(key string, entry Value) bool {
		err = f(key, entry)
		return err == nil
	})
	if bad != "" {
		return fmt.Errorf("has a key that is a %s, want a string", bad)
	}
	return err
}
