package admin

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/valyala/fasthttp"

	"sluice/engine"
	"sluice/engine/ledger"
)

// Limits of one page of requests.
const (
	defaultPage = 50
	maxPage     = 1000
)

// filters are what /v1/requests can be asked with.
var filters = []string{"limit", "principal", "upstream", "status"}

// Request is one request as /v1/requests shows it.
type Request struct {
	RequestID         string      `json:"request_id"`
	ClientRequestID   string      `json:"client_request_id,omitempty"`
	UpstreamRequestID string      `json:"upstream_request_id,omitempty"`
	SessionID         string      `json:"session_id,omitempty"`
	Started           time.Time   `json:"started"`
	Principal         string      `json:"principal"`
	KeyID             string      `json:"key_id,omitempty"`
	Upstream          string      `json:"upstream"`
	Method            string      `json:"method"`
	Path              string      `json:"path"`
	Model             string      `json:"model"`                    // the one asked
	AnsweredModel     string      `json:"answered_model,omitempty"` // that answered, where it is another
	Stream            bool        `json:"stream"`
	Status            int         `json:"status"`
	Code              engine.Code `json:"code,omitempty"`
	Usage             *Usage      `json:"usage"`    // null: unknown
	CostUSD           float64     `json:"cost_usd"` // 0: unknown, or nothing
	Booked            *Booked     `json:"booked"`   // for what it counts in limits; null: for nothing
	Arms              string      `json:"arms,omitempty"`
	BytesIn           int64       `json:"bytes_in"`
	BytesOut          int64       `json:"bytes_out"`
	BodyMS            float64     `json:"body_ms"` // reading the request
	DecideMS          float64     `json:"decide_ms"`
	TTFBMS            float64     `json:"ttfb_ms"`
	DurationMS        float64     `json:"duration_ms"`
	Attempts          int         `json:"attempts"`
	Generation        uint64      `json:"generation"`
	Dialect           string      `json:"dialect,omitempty"`
	Trace             *Trace      `json:"trace,omitempty"`
	Inputs            *inputs     `json:"inputs,omitempty"`
}

// Usage is tokens by kind.
type Usage struct {
	InputTokens              int64 `json:"input_tokens"`
	OutputTokens             int64 `json:"output_tokens"`
	CacheCreationInputTokens int64 `json:"cache_creation_input_tokens"`
	CacheCreation1hTokens    int64 `json:"cache_creation_1h_input_tokens"` // of those, what is kept for an hour
	CacheReadInputTokens     int64 `json:"cache_read_input_tokens"`
}

// Booked is what limits count: where the answer told less, an estimate.
type Booked struct {
	Usage
	CostUSD float64 `json:"cost_usd"`
}

// inputs are what the decision could see of a request, beside the rest of its row.
type inputs struct {
	Query       string      `json:"query,omitempty"`
	MaxTokens   int64       `json:"max_tokens,omitempty"`
	ServiceTier string      `json:"service_tier,omitempty"`
	Headers     [][2]string `json:"headers,omitempty"` // those that a script read
}

func (s *Server) requests(ctx *fasthttp.RequestCtx) {
	query, err := selection(ctx.QueryArgs())
	if err != nil {
		fail(ctx, 400, err.Error())
		return
	}
	found, err := s.opts.Book.Recent(query)
	if err != nil {
		fail(ctx, 500, err.Error())
		return
	}
	rows := []Request{}
	for _, r := range found {
		rows = append(rows, viewRecord(r))
	}
	reply(ctx, map[string][]Request{"requests": rows})
}

// selection reads ?limit=&principal=&upstream=&status=.
func selection(q *fasthttp.Args) (ledger.Query, error) {
	for name := range q.All() {
		if !slices.Contains(filters, string(name)) {
			return ledger.Query{}, fmt.Errorf("unknown parameter %q, want one of: %s", name, strings.Join(filters, ", "))
		}
	}
	limit, status := defaultPage, 0
	for name, into := range map[string]*int{"limit": &limit, "status": &status} {
		text := string(q.Peek(name))
		n, err := strconv.Atoi(text)
		if text != "" && (err != nil || n < 1) {
			return ledger.Query{}, fmt.Errorf("%s=%q, want a positive number", name, text)
		}
		if text != "" {
			*into = n
		}
	}
	return ledger.Query{Principal: string(q.Peek("principal")), Upstream: string(q.Peek("upstream")), Status: status, Limit: min(limit, maxPage)}, nil
}

func (s *Server) request(ctx *fasthttp.RequestCtx, id string) {
	r, err := s.opts.Book.Find(id)
	switch {
	case err != nil:
		fail(ctx, 500, err.Error())
	case r == nil:
		fail(ctx, 404, fmt.Sprintf("no request %q in the ledger", id))
	default:
		reply(ctx, RequestOf(r))
	}
}

// RequestOf shows all that is known of a request.
func RequestOf(r *engine.Record) *Request {
	view := viewRecord(r)
	view.Trace = viewTrace(&r.Trace)
	view.Inputs = &inputs{Query: r.Inputs.Query, MaxTokens: r.Inputs.MaxTokens, ServiceTier: r.Inputs.ServiceTier}
	for _, h := range r.Inputs.Headers {
		view.Inputs.Headers = append(view.Inputs.Headers, [2]string{h.Name, h.Value})
	}
	return &view
}

func viewRecord(r *engine.Record) Request {
	out := Request{RequestID: r.RequestID, ClientRequestID: r.ClientRequestID, UpstreamRequestID: r.UpstreamReqID, SessionID: r.SessionID,
		Started: r.Started.UTC(), Principal: r.Principal, KeyID: r.KeyID, Upstream: r.Upstream, Method: r.Method, Path: r.Path, Model: r.Model, AnsweredModel: r.Answered, Stream: r.Stream,
		Status: r.Status, Code: r.Code, BytesIn: r.BytesIn, BytesOut: r.BytesOut, BodyMS: millis(r.Timings.Body), DecideMS: millis(r.Timings.Decide),
		TTFBMS: millis(r.Timings.TTFB), DurationMS: millis(r.Timings.Duration), Attempts: len(r.Trace.Attempts), Generation: r.Generation,
		CostUSD: float64(r.CostMicroUSD) / 1e6, Arms: r.Arms, Dialect: r.Dialect}
	if r.Usage.Known {
		u := viewUsage(&r.Usage)
		out.Usage = &u
	}
	if r.Booked.Counts {
		out.Booked = &Booked{viewUsage(&r.Booked.Usage), float64(r.Booked.CostMicroUSD) / 1e6}
	}
	return out
}

func viewUsage(u *engine.Usage) Usage {
	return Usage{u.InputTokens, u.OutputTokens, u.CacheCreationInputTokens, u.CacheCreation1hTokens, u.CacheReadInputTokens}
}
