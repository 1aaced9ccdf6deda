package engine

import "time"

// Record is the account of one request, made once when it ended: one row of the ledger. It holds no body and no credential.
type Record struct {
	RequestID       string // ours
	ClientRequestID string // the client's own, "" = none
	UpstreamReqID   string // the upstream's request-id, "" = none
	SessionID       string
	Started         time.Time
	Principal       string
	KeyID           string // which of the principal's keys
	Upstream        string
	Method          string
	Path            string
	Model           string // the one asked
	Answered        string // the model that answered, "" = the one asked, or nobody told
	Stream          bool
	Status          int // 499 = the client left
	Code            Code
	Usage           Usage
	CostMicroUSD    int64  // 0 = unknown, or nothing
	Booked          Booked // for what it counts in limits
	Arms            string // of the experiments it was in: "NAME=ARM", several with commas between; "" = in none
	BytesIn         int64
	BytesOut        int64
	Timings         Timings
	Trace           RoutingTrace
	Generation      uint64
	Dialect         string // version of the script that shaped it last, "" = none did
	Inputs          Inputs
}

// Inputs are what a decision could see of a request, beside what the record says of it anyway.
type Inputs struct {
	Query       string
	MaxTokens   int64
	ServiceTier string
	Headers     Headers // those that a script read
}

// Timings are the parts of a request's duration. Zero: that part did not happen.
type Timings struct {
	Body     time.Duration // reading the request
	Decide   time.Duration // filters, router, strategy
	TTFB     time.Duration // from the request's first byte to the answer's first
	Duration time.Duration // all of it
}

// Ledger takes the record of each request. It must not block; the record is its own from then on.
type Ledger interface {
	Record(r *Record)
}
