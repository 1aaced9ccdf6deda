package engine

import "time"

// ObserveEvent is one event in the life of a request: one of RequestStarted, AuthnComplete, UpstreamChosen, Chunk, RequestFinished and
// ErrorEvent.
type ObserveEvent interface {
	// Kind is the event's name as scripts see it.
	Kind() string
	// Head is what every event carries.
	Head() EventHead
}

// What clients may write at length is cut in events, which wait in memory until they are observed. In bytes.
const (
	MaxEventPath = 2048
	MaxEventText = 512
)

// EventHead tells which request an event belongs to, and when it was.
type EventHead struct {
	RequestID string
	At        time.Time
}

// Head returns h, so that events get the method by embedding.
func (h EventHead) Head() EventHead { return h }

// RequestStarted: the head of a request was read. Path has at most MaxEventPath bytes, the others MaxEventText.
type RequestStarted struct {
	EventHead
	Method, Path, UserAgent string
}

// AuthnComplete: the request's key named a principal.
type AuthnComplete struct {
	EventHead
	Principal     string
	PrincipalKind PrincipalKind
}

// UpstreamChosen: an attempt goes to an upstream.
type UpstreamChosen struct {
	EventHead
	Upstream string
	Attempt  int // 1 for the first
}

// Chunk: some events of a stream went by, batched. Index counts batches from 0.
type Chunk struct {
	EventHead
	Index  int64
	Events int
	Bytes  int64
}

// RequestFinished: the last byte went out, or the request ended without one.
type RequestFinished struct {
	EventHead
	Status   int // 499 = the client left
	Code     Code
	Model    string
	Upstream string
	Usage    Usage
	CostUSD  float64       // 0 = unknown
	TTFB     time.Duration // 0 = no byte came
	Duration time.Duration
	Attempts int
}

// ErrorEvent: something went wrong that the request may have survived. Message carries no secret and is cut at MaxErrorMessage bytes; Source is
// the stage.
type ErrorEvent struct {
	EventHead
	Code    string
	Message string
	Source  string
}

func (RequestStarted) Kind() string  { return "request_started" }
func (AuthnComplete) Kind() string   { return "authn_complete" }
func (UpstreamChosen) Kind() string  { return "upstream_chosen" }
func (Chunk) Kind() string           { return "chunk" }
func (RequestFinished) Kind() string { return "request_finished" }
func (ErrorEvent) Kind() string      { return "error" }

// Usage counts the tokens of one answer. Known is false when the upstream reported none.
type Usage struct {
	Known                    bool
	InputTokens              int64 // without cache reads and writes
	OutputTokens             int64
	CacheCreationInputTokens int64
	CacheCreation1hTokens    int64 // of those, what is kept for an hour
	CacheReadInputTokens     int64
}
