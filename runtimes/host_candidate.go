package runtimes

import (
	"fmt"
	"net/url"

	"sluice/engine"
)

// Candidate is an upstream that may serve the request of a call. It points into the slice of candidates that the hook was called with:
// that is how a returned candidate is known to be one of this call.
type Candidate struct {
	*engine.UpstreamCandidate
	Call *Call
}

// NewUpstream is the upstream of a shape call, with what is known of it at this attempt.
func NewUpstream(c *Call, u *engine.Upstream) *Candidate {
	vitals := c.request().Vitals
	if vitals == nil {
		vitals = &engine.Vitals{Healthy: true, Breaker: "closed"}
	}
	return &Candidate{&engine.UpstreamCandidate{Upstream: u, Vitals: vitals}, c}
}

// TypeCandidate is an upstream that may serve a request. Its receiver is a *Candidate.
var TypeCandidate = newType(Type{
	Name:    "candidate",
	Doc:     "An upstream that may serve the request, with what is known of it at this moment.",
	Fields:  upstreamFields,
	Methods: upstreamMethods,
	Given:   upstreamGiven,
})

// TypeUpstream is the upstream that a request is shaped for. Its receiver is a *Candidate.
var TypeUpstream = newType(Type{
	Name:    "upstream",
	Doc:     "The upstream that the request is shaped for. It has the fields of a candidate.",
	Fields:  upstreamFields,
	Methods: upstreamMethods,
	Given:   upstreamGiven,
})

var upstreamFields = []Field{
	{Name: "id", Type: "string", Doc: "The text of its UUID.", Static: true,
		Get: ofUpstream(func(u *engine.Upstream) Value { return OfString(u.ID.String()) }),
		Put: putUpstream(func(u *engine.Upstream, v Value) error { return putID(&u.ID, v) })},
	upstreamText("name", "string", "The configured name.", func(u *engine.Upstream) *string { return &u.Name }),
	{Name: "kind", Type: "string", Doc: "anthropic_direct, bedrock_runtime, bedrock_mantle, vertex or custom.", Static: true,
		Get: ofUpstream(func(u *engine.Upstream) Value { return text(u.Kind) }),
		Put: putUpstream(func(u *engine.Upstream, v Value) error { return putString(&u.Kind, v) })},
	{Name: "base_url", Type: "string", Doc: "The absolute address that requests go below.", Static: true,
		Get: ofUpstream(func(u *engine.Upstream) Value { return OfString(baseURL(u)) }),
		Put: putUpstream(putBaseURL)},
	upstreamText("region", "string or nothing", "The cloud's region.", func(u *engine.Upstream) *string { return &u.Region }),
	upstreamText("project", "string or nothing", "The cloud's project.", func(u *engine.Upstream) *string { return &u.Project }),
	{Name: "weight", Type: "int", Doc: "Its share where the strategy has shares.", Static: true,
		Get: ofUpstream(func(u *engine.Upstream) Value { return OfInt(int64(u.Weight)) }),
		Put: putUpstream(func(u *engine.Upstream, v Value) error { return putInt(&u.Weight, v) })},
	{Name: "priority", Type: "int", Doc: "Its rank where the strategy ranks: lower first.", Static: true,
		Get: ofUpstream(func(u *engine.Upstream) Value { return OfInt(int64(u.Priority)) }),
		Put: putUpstream(func(u *engine.Upstream, v Value) error { return putInt(&u.Priority, v) })},
	{Name: "labels", Type: "map", Doc: "What the config says of it.", Static: true,
		Get: ofUpstream(func(u *engine.Upstream) Value { return OfMap((*plainMap)(u.Labels)) }),
		Put: putUpstream(func(u *engine.Upstream, v Value) error { return putObject(&u.Labels, v) })},
	{Name: "healthy", Type: "bool", Doc: "Whether it takes requests: no refusal keeps them away and its breaker is not open.",
		Get: ofVitals(func(s *engine.Vitals) Value { return OfBool(s.Healthy) }),
		Put: putVitals(func(s *engine.Vitals, v Value) error { return putBool(&s.Healthy, v) })},
	{Name: "cooldown_ms", Type: "int", Doc: "How long it still cools after refusals, 0 = not.",
		Get: ofVitals(func(s *engine.Vitals) Value { return OfInt(s.Cooldown.Milliseconds()) }),
		Put: putVitals(func(s *engine.Vitals, v Value) error { return putMillis(&s.Cooldown, v) })},
	{Name: "breaker", Type: "string", Doc: "closed, open or half_open.",
		Get: ofVitals(func(s *engine.Vitals) Value { return text(s.Breaker) }),
		Put: putVitals(func(s *engine.Vitals, v Value) error { return putString(&s.Breaker, v) })},
	{Name: "in_flight", Type: "int", Doc: "Requests that it is serving now.",
		Get: ofVitals(func(s *engine.Vitals) Value { return OfInt(int64(s.InFlight)) }),
		Put: putVitals(func(s *engine.Vitals, v Value) error { return putInt(&s.InFlight, v) })},
	{Name: "concurrency", Type: "int or nothing", Doc: "The configured cap of requests at once.",
		Get: ofVitals(func(s *engine.Vitals) Value { return positive(s.Concurrency) }),
		Put: putVitals(func(s *engine.Vitals, v Value) error { return putInt(&s.Concurrency, v) })},
	{Name: "error_rate", Type: "float", Doc: "The share of recent answers that failed, 0..1.",
		Get: ofVitals(func(s *engine.Vitals) Value { return OfFloat(s.ErrorRate) }),
		Put: putVitals(func(s *engine.Vitals, v Value) error { return putShare(&s.ErrorRate, v) })},
	{Name: "ttfb_ms", Type: "int", Doc: "The mean time to an answer's head in milliseconds, 0 = not known yet.",
		Get: ofVitals(func(s *engine.Vitals) Value { return OfInt(s.TTFB.Milliseconds()) }),
		Put: putVitals(func(s *engine.Vitals, v Value) error { return putMillis(&s.TTFB, v) })},
	{Name: "rate_limits", Type: "list of rate_limit", Doc: "The account's rate limits as last observed.",
		Get: func(receiver any) Value { return OfList(rateLimits{receiver.(*Candidate)}) },
		Put: putRateLimits},
	{Name: "quotas", Type: "list of quota", Doc: "The windows of a subscription as last observed.",
		Get: func(receiver any) Value { return OfList(quotas{receiver.(*Candidate)}) },
		Put: putQuotas},
	{Name: "cache", Type: "int", Doc: "Tokens of this request's prefix that its prompt cache is predicted to hold, 0 = nothing predicted.",
		Get: getCache, Put: putCache},
}

var upstreamMethods = []Method{
	{Name: "model", Params: []Param{{Name: "asked", Type: "string", Optional: true}}, Result: "string or nothing",
		Doc: "Its own id of an asked model, or the asked one.", Pure: true, Call: upstreamModel},
	{Name: "utilization", Params: []Param{{Name: "window", Type: "string"}, {Name: "default", Type: "number", Optional: true}},
		Result: "number", Doc: "How full a quota's window is, 0..1; default, or 0, where that is unknown or past its reset.", Pure: true,
		Call: upstreamUtilization},
}

// upstreamGiven are the model names that a test gives: asked to own.
var upstreamGiven = []Field{
	{Name: "models", Type: "map", Doc: "The own ids of asked models.", Put: putUpstream(putModels)},
}

func ofUpstream(get func(u *engine.Upstream) Value) func(any) Value {
	return func(receiver any) Value { return get(receiver.(*Candidate).Upstream) }
}

func putUpstream(put func(u *engine.Upstream, v Value) error) func(any, Value) error {
	return func(receiver any, v Value) error { return put(receiver.(*Candidate).Upstream, v) }
}

func ofVitals(get func(s *engine.Vitals) Value) func(any) Value {
	return func(receiver any) Value { return get(receiver.(*Candidate).Vitals) }
}

func putVitals(put func(s *engine.Vitals, v Value) error) func(any, Value) error {
	return func(receiver any, v Value) error { return put(receiver.(*Candidate).Vitals, v) }
}

func upstreamText(name, typ, doc string, at func(u *engine.Upstream) *string) Field {
	return Field{Name: name, Type: typ, Doc: doc, Static: true,
		Get: ofUpstream(func(u *engine.Upstream) Value { return text(*at(u)) }),
		Put: putUpstream(func(u *engine.Upstream, v Value) error { return putString(at(u), v) })}
}

func baseURL(u *engine.Upstream) string {
	if u.BaseURL == nil {
		return ""
	}
	return u.BaseURL.String()
}

func putBaseURL(u *engine.Upstream, v Value) error {
	if v.Kind != String {
		return wrongType(v, "an absolute url")
	}
	parsed, err := url.Parse(v.Str)
	if err != nil || parsed.Host == "" {
		return fmt.Errorf("is %s, want an absolute url", describe(v))
	}
	u.BaseURL = parsed
	return nil
}

func getCache(receiver any) Value {
	c := receiver.(*Candidate)
	if c.CacheRead != nil {
		return OfInt(*c.CacheRead)
	}
	r := c.Call.request()
	if r.Forecast == nil {
		return OfInt(0)
	}
	if c.Call.Extend != nil { // the prompt is read, as body.json() would
		c.Call.Extend(len(r.Body))
	}
	return OfInt(r.Forecast.ReadTokens(c.ID))
}

func putCache(receiver any, v Value) error {
	c := receiver.(*Candidate)
	c.CacheRead = new(int64)
	return putInt(c.CacheRead, v)
}

func putModels(u *engine.Upstream, v Value) error {
	if v.Kind != Map {
		return wrongType(v, "a map of asked to own")
	}
	u.Models = map[string]string{}
	return eachText(v, func(asked, own string) { u.Models[asked] = own })
}

func upstreamModel(_ *Call, receiver any, args []Value) (Value, error) {
	if args[0].Kind == Nil {
		return Value{}, nil
	}
	return OfString(receiver.(*Candidate).Model(args[0].Str)), nil
}

func upstreamUtilization(_ *Call, receiver any, args []Value) (Value, error) {
	c := receiver.(*Candidate)
	if u, known := c.UtilizationOf(args[0].Str, c.Call.Now); known {
		return OfFloat(u), nil
	}
	if args[1].Kind != Nil {
		return args[1], nil
	}
	return OfInt(0), nil
}
