package runtimes

import (
	"fmt"
	"time"

	"sluice/engine"
)

// OfEvent returns an event as scripts see it. Each kind has a type of its own, all named event; its receiver is the event.
func OfEvent(ev engine.ObserveEvent) Value {
	for i := range eventKinds {
		if eventKinds[i].kind == ev.Kind() {
			return OfHost(eventKinds[i].typ, ev)
		}
	}
	return Value{}
}

// eventKind is one kind of event.
type eventKind struct {
	kind string
	typ  *Type
	// make builds a sample event with the fields that are given.
	make func(fields Value) (engine.ObserveEvent, error)
}

var eventKinds = []eventKind{
	eventOf("The head of a request was read.",
		engine.RequestStarted{Method: "POST", Path: "/v1/messages", UserAgent: "claude-cli/2.0.31 (external, cli)"},
		func(e *engine.RequestStarted) *engine.EventHead { return &e.EventHead },
		eventText("method", "The HTTP method.", func(e *engine.RequestStarted) *string { return &e.Method }),
		eventText("path", "The path, without the query, cut at 2048 bytes.", func(e *engine.RequestStarted) *string { return &e.Path }),
		eventText("user_agent", "The client's name of itself, cut at 512 bytes.", func(e *engine.RequestStarted) *string { return &e.UserAgent })),
	eventOf("The request's key named a principal.",
		engine.AuthnComplete{Principal: "alice", PrincipalKind: engine.PrincipalAPIKey},
		func(e *engine.AuthnComplete) *engine.EventHead { return &e.EventHead },
		eventText("principal", "The principal's name.", func(e *engine.AuthnComplete) *string { return &e.Principal }),
		eventText("principal_kind", "The principal's kind.",
			func(e *engine.AuthnComplete) *engine.PrincipalKind { return &e.PrincipalKind })),
	eventOf("An attempt goes to an upstream.",
		engine.UpstreamChosen{Upstream: "direct", Attempt: 1},
		func(e *engine.UpstreamChosen) *engine.EventHead { return &e.EventHead },
		eventText("upstream", "The upstream's name.", func(e *engine.UpstreamChosen) *string { return &e.Upstream }),
		eventCount("attempt", "1 for the first.", func(e *engine.UpstreamChosen) *int { return &e.Attempt })),
	eventOf("Some events of a stream went by.",
		engine.Chunk{Events: 4, Bytes: 812},
		func(e *engine.Chunk) *engine.EventHead { return &e.EventHead },
		eventCount("index", "Counts batches from 0.", func(e *engine.Chunk) *int64 { return &e.Index }),
		eventCount("events", "How many events.", func(e *engine.Chunk) *int { return &e.Events }),
		eventCount("bytes", "How many bytes.", func(e *engine.Chunk) *int64 { return &e.Bytes })),
	eventOf("The last byte went out, or the request ended without one.",
		engine.RequestFinished{Status: 200, Model: "claude-sonnet-4-5", Upstream: "direct", CostUSD: 0.0125,
			TTFB: 800 * time.Millisecond,
			Usage: engine.Usage{Known: true, InputTokens: 12, OutputTokens: 240, CacheCreationInputTokens: 800,
				CacheReadInputTokens: 16000},
			Duration: 4200 * time.Millisecond, Attempts: 1},
		func(e *engine.RequestFinished) *engine.EventHead { return &e.EventHead }, finishedFields...),
	eventOf("Something went wrong, which the request may have survived.",
		engine.ErrorEvent{Code: "upstream_unreachable", Message: "upstream \"direct\" could not be reached", Source: "relay"},
		func(e *engine.ErrorEvent) *engine.EventHead { return &e.EventHead },
		eventText("code", "What went wrong, in a word.", func(e *engine.ErrorEvent) *string { return &e.Code }),
		eventText("message", "What went wrong, in a sentence.", func(e *engine.ErrorEvent) *string { return &e.Message }),
		eventText("source", "The stage where it did.", func(e *engine.ErrorEvent) *string { return &e.Source })),
}

var finishedFields = []Field{
	eventCount("status", "The answer's status, 499 when the client left.", func(e *engine.RequestFinished) *int { return &e.Status }),
	eventText("code", "The cause of an answer that the gateway itself made.",
		func(e *engine.RequestFinished) *engine.Code { return &e.Code }),
	eventText("model", "The model that was asked for.", func(e *engine.RequestFinished) *string { return &e.Model }),
	eventText("upstream", "The upstream that answered.", func(e *engine.RequestFinished) *string { return &e.Upstream }),
	eventField("usage", "usage or nothing", "The tokens that the upstream reported.",
		func(e engine.RequestFinished) Value {
			if !e.Usage.Known {
				return Value{}
			}
			return OfHost(TypeUsage, e.Usage)
		},
		func(e *engine.RequestFinished, v Value) error {
			e.Usage.Known = v.Kind != Nil
			return build(TypeUsage, &e.Usage, v)
		}),
	eventField("cost_usd", "float or nothing", "The price in US dollars.",
		func(e engine.RequestFinished) Value {
			if e.CostUSD == 0 {
				return Value{}
			}
			return OfFloat(e.CostUSD)
		},
		func(e *engine.RequestFinished, v Value) error { return putFloat(&e.CostUSD, v) }),
	eventField("ttfb_ms", "int or nothing", "Milliseconds to the answer's first byte.",
		func(e engine.RequestFinished) Value { return millis(e.TTFB) },
		func(e *engine.RequestFinished, v Value) error { return putMillis(&e.TTFB, v) }),
	eventField("duration_ms", "int", "Milliseconds from the request's first byte to the answer's last.",
		func(e engine.RequestFinished) Value { return OfInt(e.Duration.Milliseconds()) },
		func(e *engine.RequestFinished, v Value) error { return putMillis(&e.Duration, v) }),
	eventCount("attempts", "How often an upstream was asked.", func(e *engine.RequestFinished) *int { return &e.Attempts }),
}

// TypeUsage is the tokens of an answer. Its receiver is an engine.Usage, so that two which say the same are equal; a builder's is a *engine.Usage.
var TypeUsage = newType(Type{
	Name: "usage",
	Doc:  "The tokens of one answer, as the upstream reported them.",
	Fields: []Field{
		usageTokens("input_tokens", "Tokens read, without those of the cache.",
			func(u *engine.Usage) *int64 { return &u.InputTokens }),
		usageTokens("output_tokens", "Tokens written.", func(u *engine.Usage) *int64 { return &u.OutputTokens }),
		usageTokens("cache_creation_input_tokens", "Tokens put into the cache.",
			func(u *engine.Usage) *int64 { return &u.CacheCreationInputTokens }),
		usageTokens("cache_read_input_tokens", "Tokens taken from the cache.",
			func(u *engine.Usage) *int64 { return &u.CacheReadInputTokens }),
	},
})

func usageTokens(name, doc string, at func(u *engine.Usage) *int64) Field {
	return Field{Name: name, Type: "int", Doc: doc,
		Get: func(receiver any) Value { u := receiver.(engine.Usage); return OfInt(*at(&u)) },
		Put: func(receiver any, v Value) error { return putInt(at(receiver.(*engine.Usage)), v) }}
}

// eventOf makes the table of one kind of event, with what a builder starts from. Its fields read an E and put into a *E.
func eventOf[E engine.ObserveEvent](doc string, sample E, head func(e *E) *engine.EventHead, fields ...Field) eventKind {
	t := newType(Type{Name: "event", Doc: doc, Fields: append([]Field{
		{Name: "kind", Type: "string", Doc: "What happened: " + sample.Kind() + ".",
			Get: func(any) Value { return OfString(sample.Kind()) }},
		eventField("request_id", "string", "The request that it belongs to.",
			func(e E) Value { return text(e.Head().RequestID) },
			func(e *E, v Value) error { return putString(&head(e).RequestID, v) }),
		eventField("now_ms", "int", "When it was, in milliseconds since 1970.",
			func(e E) Value { return OfInt(e.Head().At.UnixMilli()) },
			func(e *E, v Value) error { return putEpoch(&head(e).At, v) }),
	}, fields...)})
	return eventKind{sample.Kind(), t, func(fields Value) (engine.ObserveEvent, error) {
		e := sample
		*head(&e) = engine.EventHead{RequestID: sampleRequestID, At: sampleNow}
		err := build(t, &e, fields)
		return e, err
	}}
}

func eventField[E engine.ObserveEvent](name, typ, doc string, get func(e E) Value, put func(e *E, v Value) error) Field {
	return Field{Name: name, Type: typ, Doc: doc,
		Get: func(receiver any) Value { return get(receiver.(E)) },
		Put: func(receiver any, v Value) error { return put(receiver.(*E), v) }}
}

func eventText[E engine.ObserveEvent, S ~string](name, doc string, at func(e *E) *S) Field {
	return eventField(name, "string or nothing", doc,
		func(e E) Value { return text(*at(&e)) },
		func(e *E, v Value) error { return putString(at(e), v) })
}

func eventCount[E engine.ObserveEvent, I ~int | ~int64](name, doc string, at func(e *E) *I) Field {
	return eventField(name, "int", doc,
		func(e E) Value { return OfInt(int64(*at(&e))) },
		func(e *E, v Value) error { return putInt(at(e), v) })
}

// putEpoch takes milliseconds since 1970.
func putEpoch(to *time.Time, v Value) error {
	var ms int64
	err := putInt(&ms, v)
	*to = time.UnixMilli(ms).UTC()
	return err
}

// NewEvent makes a sample event with the documented fields that are given.
func NewEvent(kind string, fields Value) (engine.ObserveEvent, error) {
	var kinds []string
	for i := range eventKinds {
		if eventKinds[i].kind == kind {
			return eventKinds[i].make(fields)
		}
		kinds = append(kinds, eventKinds[i].kind)
	}
	return nil, fmt.Errorf("event: unknown kind %s%s", quote(kind), Suggest(kind, kinds))
}

func knownEvent(kind string) bool {
	for i := range eventKinds {
		if eventKinds[i].kind == kind {
			return true
		}
	}
	return false
}
