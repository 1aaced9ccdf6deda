package limits

import (
	"fmt"
	"strconv"
	"time"

	"sluice/engine"
)

// reservation is what one request holds. It belongs to the request's goroutine.
type reservation struct {
	set    *Set
	demand engine.Demand
	guess  engine.Usage
	room   [4]int64
	held   []int64 // by rule
	began  time.Duration
	ended  bool
}

// Reserve holds what a request is expected to spend, of all its limits or of none. A request that runs alone is let in while there is
// anything left: its estimate could be wrong, and would then lock out who never comes near the limit. What it spends beyond the limit
// keeps the next one waiting.
func (s *Set) Reserve(now time.Time, d engine.Demand) (engine.Reservation, error) {
	r := &reservation{set: s, demand: d, began: s.book.at(now)}
	r.held = r.room[:0]
	s.mu.Lock()
	defer s.mu.Unlock()
	if !d.Free {
		r.guess = s.habit(d.Model).expect(d)
	}
	for i := range s.rules {
		b := &s.rules[i]
		amount, known := r.amount(b.Kind, r.guess)
		if !known {
			return nil, &engine.Refusal{Code: engine.CodeModelNotAllowed, Message: fmt.Sprintf(
				"model %q has no price, and this %s has a limit of cost: want it in the table of prices", engine.Cut(d.Model, engine.MaxReason), b.whose)}
		}
		if wait, full := b.full(r.began, amount); full {
			return nil, b.refusal(wait)
		}
		r.held = append(r.held, amount)
	}
	for i := range s.rules {
		s.rules[i].take(r.began, r.held[i])
	}
	return r, nil
}

// amount is what a usage is in the unit of a rule.
func (r *reservation) amount(k Kind, u engine.Usage) (n int64, known bool) {
	switch {
	case k == Requests, k == Concurrency:
		return 1, true
	case k == CostUSD && !r.demand.Free:
		return r.set.prices.Cost(r.demand.Model, u)
	}
	return tokens(k, u), true
}

// tokens is how many tokens of a usage count for a kind.
func tokens(k Kind, u engine.Usage) int64 {
	switch k {
	case InputTokens:
		return u.InputTokens + u.CacheCreationInputTokens
	case OutputTokens:
		return u.OutputTokens
	case TotalTokens:
		return u.InputTokens + u.CacheCreationInputTokens + u.CacheReadInputTokens + u.OutputTokens
	}
	return 0
}

// full reports whether a request that is expected to take that much must wait, and for how long.
func (b *bound) full(at time.Duration, amount int64) (wait time.Duration, full bool) {
	if b.Kind == Concurrency {
		return time.Second, b.held >= b.Max
	}
	b.used.advance(at)
	if b.Kind == Requests {
		amount = 1
	} else if b.held == 0 {
		amount = 1 // alone: any room will do
	}
	if b.used.sum+b.held+amount <= b.Max {
		return 0, false
	}
	if b.used.sum < b.Max { // what others hold is an estimate, and comes back as soon as they end
		return time.Second, true
	}
	return max(b.used.frees(at, b.Max-1), time.Second), true
}

// refusal tells that there is no room, and when there is.
func (b *bound) refusal(wait time.Duration) *engine.Refusal {
	return &engine.Refusal{Code: b.Kind.code(), RetryAfter: wait, Message: fmt.Sprintf("this %s has reached its limit of %s", b.whose, b.Rule)}
}

// String is a limit as a person says it.
func (r Rule) String() string {
	switch r.Kind {
	case Concurrency:
		return fmt.Sprintf("%d requests at once", r.Max)
	case CostUSD:
		return strconv.FormatFloat(float64(r.Max)/1e6, 'f', -1, 64) + " dollars in " + r.Window.String()
	case Requests:
		return fmt.Sprintf("%d requests in %v", r.Max, r.Window)
	}
	return fmt.Sprintf("%d %s in %v", r.Max, map[Kind]string{InputTokens: "tokens of input", OutputTokens: "tokens of output", TotalTokens: "tokens"}[r.Kind], r.Window)
}

func (k Kind) code() engine.Code { return engine.Code("limit_" + string(k)) }

// take holds an amount. A request counts from its start, and what it spends from its end.
func (b *bound) take(at time.Duration, amount int64) {
	if b.Kind == Requests {
		b.used.add(at, 1)
		return
	}
	b.held += amount
}

// Settle books what was spent.
func (r *reservation) Settle(now time.Time, u engine.Usage, whole bool) {
	if r.ended {
		return
	}
	r.ended = true
	s, at := r.set, r.set.book.at(now)
	s.mu.Lock()
	defer s.mu.Unlock()
	if u.Known && whole && !r.demand.Free {
		s.habit(r.demand.Model).learn(u, r.demand.Bytes)
	}
	u = r.spent(u, whole)
	for i := range s.rules {
		b := &s.rules[i]
		if b.Kind == Requests {
			continue
		}
		b.held -= r.held[i]
		if b.Kind != Concurrency {
			amount, known := r.amount(b.Kind, u)
			if !known { // the price left the table while the request ran
				amount = r.held[i]
			}
			b.used.add(at, amount)
		}
	}
}

// spent is the usage with the estimate for what was not told.
func (r *reservation) spent(u engine.Usage, whole bool) engine.Usage {
	switch {
	case !u.Known, r.demand.Free:
		return r.guess
	case !whole: // the tokens of output are told at the end
		u.OutputTokens = max(u.OutputTokens, r.guess.OutputTokens)
	}
	return u
}

// Refund gives all back.
func (r *reservation) Refund(now time.Time) {
	if r.ended {
		return
	}
	r.ended = true
	s := r.set
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.rules {
		b := &s.rules[i]
		if b.Kind == Requests {
			b.used.advance(s.book.at(now))
			b.used.add(r.began, -1)
			continue
		}
		b.held -= r.held[i]
	}
}
