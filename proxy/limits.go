package proxy

import (
	"time"

	"sluice/engine"
	"sluice/engine/limits"
)

// reserveLimits holds what the request is expected to spend of its key's limits. It is given back, or settled, when the exchange ends.
func (x *exchange) reserveLimits() *engine.Refusal {
	if x.head.limiter == nil {
		return nil
	}
	d := x.demand()
	d.Fallbacks = fallbacks(&x.req)
	held, err := x.head.limiter.Reserve(time.Now(), d)
	if err != nil {
		return refusalOf(err)
	}
	x.spending = held
	return nil
}

// demand is what was known of the request's cost before it was sent, but for its fallbacks, which its body tells while it is there.
func (x *exchange) demand() engine.Demand {
	return engine.Demand{Came: x.record.Started, Model: x.req.Model, Bytes: int(x.record.BytesIn), MaxTokens: x.req.MaxTokens,
		Free: !spends(x.req.Path)}
}

// spends reports whether what a path asks for costs tokens that the answer tells of.
func spends(path string) bool { return path == "/v1/messages" || path == "/v1/complete" }

// settleLimits books what the request spent, once its row is complete, and gives it its cost. A client that leaves after the request went
// out has spent what it was expected to: the upstream may have worked for it.
func (x *exchange) settleLimits(r *engine.Record, now time.Time) {
	spent := engine.Spent{Model: x.billed(r), Usage: r.Usage, Whole: r.Code == "" && !x.broke || x.flow.Withheld != nil}
	if x.gen != nil && x.gen.Prices != nil && r.Usage.Known {
		r.CostMicroUSD, _ = x.gen.Prices.Cost(spent.Model, r.Usage)
	}
	counts := x.served || r.Code == engine.CodeClientGone && !x.flow.Dispatched.IsZero()
	switch {
	case counts && x.spending != nil:
		r.Booked = x.spending.Settle(now, spent)
	case counts:
		r.Booked = x.unheld(r, spent)
		if x.server.Unlimited != nil {
			x.server.Unlimited(r)
		}
	case x.spending != nil:
		x.spending.Refund(now)
	}
}

// unheld is what a request without limits is booked with, for those that it may have later.
func (x *exchange) unheld(r *engine.Record, spent engine.Spent) engine.Booked {
	if r.Usage.Known && spent.Whole || x.gen == nil || !spends(x.req.Path) {
		return engine.Booked{Counts: true, Usage: r.Usage, CostMicroUSD: r.CostMicroUSD}
	}
	return limits.Estimate(x.gen.Prices, x.demand(), spent)
}

// billed is the model whose price counts: the one that answered, or where that told nothing the one that its upstream was asked for. One
// that has no price is billed as the one that the client asked for.
func (x *exchange) billed(r *engine.Record) string {
	answered := r.Answered
	if answered == "" && !r.Usage.Known && x.flow.Upstream != nil {
		answered = x.flow.Upstream.Model(r.Model)
	}
	if answered == "" || x.gen == nil || x.gen.Prices == nil {
		return r.Model
	}
	if _, known := x.gen.Prices.Cost(answered, engine.Usage{}); !known {
		return r.Model
	}
	return answered
}

// bill takes note of an answer that was withheld from the client: its upstream worked for it. nil is none.
func (x *exchange) bill(a *engine.Answer) {
	if a == nil {
		return
	}
	x.served = true
	if wireIsAnthropics(a) {
		x.hear(a.Original)
	}
}

// limitsLeft are headers that tell what the key has left, nil = it has no limits.
func (x *exchange) limitsLeft() engine.Headers {
	if x.head.limiter == nil {
		return nil
	}
	return x.head.limiter.Headers(time.Now())
}
