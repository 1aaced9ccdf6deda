package proxy

import (
	"time"

	"sluice/engine"
)

// reserveLimits holds what the request is expected to spend of its key's limits. It is given back, or settled, when the exchange ends.
func (x *exchange) reserveLimits() *engine.Refusal {
	if x.head.limiter == nil {
		return nil
	}
	r := &x.req
	held, err := x.head.limiter.Reserve(time.Now(), engine.Demand{Model: r.Model, Bytes: len(r.Body), MaxTokens: r.MaxTokens, Free: !spends(r.Path)})
	if err != nil {
		return refusalOf(err)
	}
	x.spending = held
	return nil
}

// spends reports whether what a path asks for costs tokens that the answer tells of.
func spends(path string) bool { return path == "/v1/messages" || path == "/v1/complete" }

// settleLimits books what the request spent, once its row is complete, and gives it its cost. A client that leaves after the request went
// out has spent what it was expected to: the upstream may have worked for it.
func (x *exchange) settleLimits(r *engine.Record, now time.Time) {
	if x.gen != nil && x.gen.Prices != nil && r.Usage.Known {
		r.CostMicroUSD, _ = x.gen.Prices.Cost(r.Model, r.Usage)
	}
	switch {
	case x.spending == nil:
	case x.served, r.Code == engine.CodeClientGone && !x.dispatched.IsZero():
		x.spending.Settle(now, r.Usage, r.Code == "" || x.flow.Withheld != nil)
	default:
		x.spending.Refund(now)
	}
}

// bill takes note of an answer that was withheld from the client: its upstream worked for it. nil is none.
func (x *exchange) bill(a *engine.Answer) {
	if a == nil {
		return
	}
	x.served = true
	if wireIsAnthropics(a) {
		overlay(&x.record.Usage, a.Original, "usage")
	}
}

// limitsLeft are headers that tell what the key has left, nil = it has no limits.
func (x *exchange) limitsLeft() engine.Headers {
	if x.head.limiter == nil {
		return nil
	}
	return x.head.limiter.Headers(time.Now())
}
