package limits

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	"sluice/engine"
)

// reservation is what one request holds. It belongs to the request's goroutine.
type reservation struct {
	set    *Set
	demand engine.Demand
	guess  engine.Booked // what it holds of every counter
	made   int           // the last counter that it holds of
	came   time.Duration
	ended  bool
}

// Reserve holds what a request is expected to spend, of all its limits or of none. A request that runs alone is let in while there is
// anything left: its estimate could be wrong, and would then lock out who never comes near the limit. What it spends beyond the limit
// keeps the next one waiting.
func (s *Set) Reserve(now time.Time, d engine.Demand) (engine.Reservation, error) {
	at := s.book.at(now)
	r := &reservation{set: s, demand: d, guess: engine.Booked{Counts: true, Own: s.booked}, came: at}
	if !d.Came.IsZero() {
		r.came = s.book.at(d.Came)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !d.Free {
		r.guess.Usage = s.habit(d.Model).expect(d)
		if refusal := r.price(); refusal != nil {
			return nil, refusal
		}
	}
	if refusal := s.full(at, &r.guess); refusal != nil {
		return nil, refusal
	}
	r.made = s.made
	s.counters(func(c *counter) { c.take(r.came, &r.guess) })
	return r, nil
}

// price finds what the request may cost, whoever answers it. Under a limit of cost no model of them may be without a price.
func (r *reservation) price() *engine.Refusal {
	s := r.set
	i := slices.IndexFunc(s.rules, func(b bound) bool { return b.Kind == CostUSD })
	for n := range 1 + len(r.demand.Fallbacks) {
		model := r.demand.Model
		if n > 0 {
			model = r.demand.Fallbacks[n-1]
		}
		cost, known := s.cost(model, &r.guess.Usage)
		if !known && i >= 0 {
			return &engine.Refusal{Code: engine.CodeModelNotAllowed, Message: fmt.Sprintf(
				"model %q has no price, and this %s has a limit of cost: want it in the table of prices", engine.Cut(model, engine.MaxReason), s.rules[i].whose)}
		}
		r.guess.CostMicroUSD = max(r.guess.CostMicroUSD, cost)
	}
	return nil
}

// cost is not known where the set has no prices.
func (s *Set) cost(model string, u *engine.Usage) (microUSD int64, known bool) {
	if s.prices == nil {
		return 0, false
	}
	return s.prices.Cost(model, *u)
}

// full is the refusal of a request that must wait: for the limit that frees last.
func (s *Set) full(at time.Duration, guess *engine.Booked) *engine.Refusal {
	var found *bound
	longest := time.Duration(0)
	for i := range s.rules {
		b := &s.rules[i]
		if wait, full := b.full(at, amount(b.Kind, guess)); full && wait > longest {
			found, longest = b, wait
		}
	}
	if found == nil {
		return nil
	}
	return found.refusal(longest)
}

// amount is what a request counts for in the unit of a kind.
func amount(k Kind, b *engine.Booked) int64 {
	u := &b.Usage
	switch k {
	case Requests, Concurrency:
		return 1
	case InputTokens:
		return u.InputTokens + u.CacheCreationInputTokens
	case OutputTokens:
		return u.OutputTokens
	case TotalTokens:
		return u.InputTokens + u.CacheCreationInputTokens + u.CacheReadInputTokens + u.OutputTokens
	case CostUSD:
		return b.CostMicroUSD
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

// take holds what a request is expected to spend. It counts as a request from when it came, and what it spends from its end.
func (c *counter) take(came time.Duration, guess *engine.Booked) {
	if c.kind == Requests {
		c.used.add(came, 1)
		return
	}
	c.held += amount(c.kind, guess)
}

// Settle books what was spent.
func (r *reservation) Settle(now time.Time, spent engine.Spent) engine.Booked {
	if r.ended {
		return engine.Booked{}
	}
	r.ended = true
	s, at := r.set, r.set.book.at(now)
	b := r.booked(spent)
	s.mu.Lock()
	defer s.mu.Unlock()
	if spent.Usage.Known && spent.Whole && !r.demand.Free {
		s.habit(r.demand.Model).learn(spent.Usage, r.demand.Bytes)
	}
	s.counters(func(c *counter) {
		r.release(c)
		if (c.kind != Requests || c.number > r.made) && c.counts(at) {
			c.book(r.came, at, &b)
		}
	})
	return b
}

// release gives back what is held of a counter.
func (r *reservation) release(c *counter) {
	if c.kind != Requests && c.number <= r.made {
		c.held -= amount(c.kind, &r.guess)
	}
}

// booked is what was spent, with the estimate for what was not told.
func (r *reservation) booked(spent engine.Spent) engine.Booked {
	if r.demand.Free {
		return r.guess
	}
	b := engine.Booked{Counts: true, Usage: spent.Usage, Own: r.guess.Own}
	switch {
	case !spent.Usage.Known:
		b.Usage = r.guess.Usage
	case !spent.Whole: // the tokens of output are told at the end
		b.Usage.OutputTokens = max(b.Usage.OutputTokens, r.guess.Usage.OutputTokens)
	}
	b.Usage.Known = true
	cost, known := r.set.cost(spent.Model, &b.Usage)
	if !known { // it has none, or it left the table while the request ran
		cost = r.guess.CostMicroUSD
	}
	b.CostMicroUSD = cost
	return b
}

// Estimate is what a request is booked with that nothing was held for: what its answer told, and of what it did not what a first one is
// expected to spend. There may be no prices.
func Estimate(prices engine.Prices, d engine.Demand, spent engine.Spent) engine.Booked {
	r := reservation{set: &Set{prices: prices}, demand: d}
	r.guess.Usage = newHabit().expect(d)
	return r.booked(spent)
}

// counts reports whether a request that ends then is booked when it does. Else Past tells of it.
func (c *counter) counts(ended time.Duration) bool { return !c.filling || ended >= c.since }

// book adds what a request counts for.
func (c *counter) book(came, ended time.Duration, b *engine.Booked) {
	switch c.kind {
	case Concurrency:
	case Requests:
		c.used.add(came, 1)
	default:
		c.used.add(ended, amount(c.kind, b))
	}
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
	s.counters(func(c *counter) {
		r.release(c)
		if c.kind == Requests && c.number <= r.made {
			c.used.advance(s.book.at(now))
			c.used.add(r.came, -1)
		}
	})
}
