package engine

import "time"

// Limiter bounds what the holder of a key spends. It may be called from many goroutines. A nil Limiter bounds nothing.
type Limiter interface {
	// Reserve holds what a request is expected to spend, before anything is sent. An error is a *Refusal that says when there is room.
	Reserve(now time.Time, d Demand) (Reservation, error)
	// Headers tell the client what it has left, as the API does, without those of kinds that have no limit here.
	Headers(now time.Time) Headers
}

// Demand is what is known of a request's cost before it is sent.
type Demand struct {
	Came      time.Time // it counts as a request from then on
	Model     string
	Fallbacks []string // models that may answer in its place
	Bytes     int      // of body
	MaxTokens int64    // of output, 0 = not said
	Free      bool     // it spends no tokens: only requests are counted
}

// Spent is what an answer tells of its cost.
type Spent struct {
	Model string // whose price counts
	Usage Usage
	Whole bool // the answer was heard to its end
}

// Booked is what a request counts for in limits. The zero value is one that was given back, or never let in.
type Booked struct {
	Counts       bool // as a request
	Usage        Usage
	CostMicroUSD int64
	Own          string // the kinds of which the key had limits of its own, with commas: in its principal's of these it does not count
}

// Reservation is what a request holds of its limits. It belongs to its exchange and ends once: by Settle or by Refund, whichever comes
// first. Later calls do nothing.
type Reservation interface {
	// Settle books what was spent, in place of the estimate, and returns it. Of a usage that is not known, or of an answer that was not heard
	// to its end, the estimate stands for what is missing.
	Settle(now time.Time, s Spent) Booked
	// Refund gives all back: nobody was served.
	Refund(now time.Time)
}

// Prices tells what an answer costs. It may be called from many goroutines.
type Prices interface {
	// Cost is in micro-dollars. It is not known of a model without a price.
	Cost(model string, u Usage) (microUSD int64, known bool)
}
