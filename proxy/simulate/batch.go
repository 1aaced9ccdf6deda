package simulate

import (
	"cmp"
	"fmt"
	"strings"
	"time"
)

// batch is over as soon as it is made.
type batch struct {
	ID               string         `json:"id"`
	Type             string         `json:"type"`
	ProcessingStatus string         `json:"processing_status"`
	RequestCounts    map[string]int `json:"request_counts"`
	CreatedAt        string         `json:"created_at"`
	EndedAt          string         `json:"ended_at"`
	ExpiresAt        string         `json:"expires_at"`
	CancelAt         *string        `json:"cancel_initiated_at"`
	ResultsURL       string         `json:"results_url"`
}

type batchRequest struct {
	Requests []struct {
		CustomID string         `json:"custom_id"`
		Params   messageRequest `json:"params"`
	} `json:"requests"`
}

type batchResult struct {
	CustomID string `json:"custom_id"`
	Result   struct {
		Type    string      `json:"type"`
		Message wireMessage `json:"message"`
	} `json:"result"`
}

// batches serves /v1/messages/batches and what is below; rest is the path after that.
func (x *exchange) batches(rest string) {
	s := shelf{&x.p.batches, "message_batch_deleted", "results", "application/x-jsonl"}
	id, cancel := strings.CutSuffix(rest, "/cancel")
	switch {
	case rest == "" && x.req.Method == "POST":
		x.createBatch()
	case cancel && x.req.Method == "POST":
		x.objects(s, "GET", id)
	default:
		x.objects(s, x.req.Method, rest)
	}
}

func (x *exchange) createBatch() {
	var r batchRequest
	wrong := decode(x.req.Body, &r)
	if wrong == "" {
		wrong = r.check(x.req.Header("anthropic-version"))
	}
	if wrong != "" {
		x.fail(400, "invalid_request_error", wrong)
		return
	}
	id := x.id("msgbatch", 0)
	x.keep(&x.p.batches, object{id, batch{
		ID:               id,
		Type:             "message_batch",
		ProcessingStatus: "ended",
		RequestCounts:    map[string]int{"processing": 0, "succeeded": len(r.Requests), "errored": 0, "canceled": 0, "expired": 0},
		CreatedAt:        x.now(),
		EndedAt:          x.now(),
		ExpiresAt:        x.req.Arrived.Add(24 * time.Hour).UTC().Format(time.RFC3339),
		ResultsURL:       "https://api.anthropic.com/v1/messages/batches/" + id + "/results",
	}, x.results(&r)})
}

func (r *batchRequest) check(version string) string {
	if len(r.Requests) == 0 {
		return "requests: Field required"
	}
	for i := range r.Requests {
		params := &r.Requests[i].Params
		if wrong := cmp.Or(params.check(version), params.checkTokens()); wrong != "" {
			return fmt.Sprintf("requests.%d.params.%s", i, wrong)
		}
	}
	return ""
}

// results is one line of JSON for each request.
func (x *exchange) results(r *batchRequest) []byte {
	var out []byte
	for i := range r.Requests {
		line := batchResult{CustomID: r.Requests[i].CustomID}
		line.Result.Type = "succeeded"
		line.Result.Message = x.compose(&r.Requests[i].Params, i).view()
		out = append(append(out, marshal(line)...), '\n')
	}
	return out
}
