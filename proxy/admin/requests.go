package admin

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/valyala/fasthttp"

	"sluice/engine"
)

// Limits of one page of requests.
const (
	defaultPage = 50
	maxPage     = 1000
)

// filters are what /v1/requests can be asked with.
var filters = []string{"limit", "principal", "upstream", "status"}

// row is one request as /v1/requests shows it.
type row struct {
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
	Model             string      `json:"model"`
	Stream            bool        `json:"stream"`
	Status            int         `json:"status"`
	Code              engine.Code `json:"code,omitempty"`
	Usage             *usage      `json:"usage"`    // null: unknown
	CostUSD           float64     `json:"cost_usd"` // 0: unknown, or nothing
	BytesIn           int64       `json:"bytes_in"`
	BytesOut          int64       `json:"bytes_out"`
	DecideMS          float64     `json:"decide_ms"`
	TTFBMS            float64     `json:"ttfb_ms"`
	DurationMS        float64     `json:"duration_ms"`
	Attempts          int         `json:"attempts"`
	Generation        uint64      `json:"generation"`
	Trace             *Trace      `json:"trace,omitempty"`
}

type usage struct {
	InputTokens              int64 `json:"input_tokens"`
	OutputTokens             int64 `json:"output_tokens"`
	CacheCreationInputTokens int64 `json:"cache_creation_input_tokens"`
	CacheReadInputTokens     int64 `json:"cache_read_input_tokens"`
}

func (s *Server) requests(ctx *fasthttp.RequestCtx) {
	match, limit, err := selection(ctx.QueryArgs())
	if err != nil {
		fail(ctx, 400, err.Error())
		return
	}
	rows := []row{}
	for _, r := range s.opts.Book.Recent(match, limit) {
		rows = append(rows, viewRecord(r))
	}
	reply(ctx, map[string][]row{"requests": rows})
}

// selection reads ?limit=&principal=&upstream=&status=.
func selection(q *fasthttp.Args) (func(*engine.Record) bool, int, error) {
	for name := range q.All() {
		if !slices.Contains(filters, string(name)) {
			return nil, 0, fmt.Errorf("unknown parameter %q, want one of: %s", name, strings.Join(filters, ", "))
		}
	}
	limit, status := defaultPage, 0
	for name, into := range map[string]*int{"limit": &limit, "status": &status} {
		text := string(q.Peek(name))
		n, err := strconv.Atoi(text)
		if text != "" && (err != nil || n < 1) {
			return nil, 0, fmt.Errorf("%s=%q, want a positive number", name, text)
		}
		if text != "" {
			*into = n
		}
	}
	principal, upstream := string(q.Peek("principal")), string(q.Peek("upstream"))
	return func(r *engine.Record) bool {
		return (principal == "" || r.Principal == principal) && (upstream == "" || r.Upstream == upstream) &&
			(status == 0 || r.Status == status)
	}, min(limit, maxPage), nil
}

func (s *Server) request(ctx *fasthttp.RequestCtx, id string) {
	r, ok := s.opts.Book.Find(id)
	if !ok {
		fail(ctx, 404, fmt.Sprintf("no request %q among the latest", id))
		return
	}
	view := viewRecord(r)
	g := s.opts.World.Lease()
	view.Trace = viewTrace(&r.Trace, g)
	if g != nil {
		g.Release()
	}
	reply(ctx, view)
}

func viewRecord(r *engine.Record) row {
	out := row{RequestID: r.RequestID, ClientRequestID: r.ClientRequestID, UpstreamRequestID: r.UpstreamReqID, SessionID: r.SessionID,
		Started: r.Started, Principal: r.Principal, KeyID: r.KeyID, CostUSD: float64(r.CostMicroUSD) / 1e6, Upstream: r.Upstream, Method: r.Method, Path: r.Path, Model: r.Model, Stream: r.Stream,
		Status: r.Status, Code: r.Code, BytesIn: r.BytesIn, BytesOut: r.BytesOut, DecideMS: millis(r.Timings.Decide),
		TTFBMS: millis(r.Timings.TTFB), DurationMS: millis(r.Timings.Duration), Attempts: len(r.Trace.Attempts), Generation: r.Generation}
	if r.Usage.Known {
		out.Usage = &usage{r.Usage.InputTokens, r.Usage.OutputTokens, r.Usage.CacheCreationInputTokens, r.Usage.CacheReadInputTokens}
	}
	return out
}
