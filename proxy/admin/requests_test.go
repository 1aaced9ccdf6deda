package admin_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

// row is a request as an outsider reads it.
type row struct {
	RequestID         string `json:"request_id"`
	ClientRequestID   string `json:"client_request_id"`
	UpstreamRequestID string `json:"upstream_request_id"`
	SessionID         string `json:"session_id"`
	Started           time.Time
	Principal         string
	Upstream          string
	Method            string
	Path              string
	Model             string
	Stream            bool
	Status            int
	Code              string
	Usage             *struct {
		InputTokens  int64 `json:"input_tokens"`
		OutputTokens int64 `json:"output_tokens"`
	}
	BytesIn    int64   `json:"bytes_in"`
	BytesOut   int64   `json:"bytes_out"`
	DecideMS   float64 `json:"decide_ms"`
	TTFBMS     float64 `json:"ttfb_ms"`
	DurationMS float64 `json:"duration_ms"`
	Attempts   int
	Generation uint64
	Trace      *trace
	Inputs     *struct {
		MaxTokens int64 `json:"max_tokens"`
		Headers   [][2]string
	}
}

type trace struct {
	Stages []struct {
		Name, Reason, Error string
		Kept                []string
		Denied              bool
		Dropped             []struct{ Upstream, Reason string }
		DurationUS          float64 `json:"duration_us"`
	}
	Picked   *struct{ Upstream, By string }
	Attempts []struct {
		Upstream, Error, Class, Cooled string
		Status                         int
		TTFBMS                         float64 `json:"ttfb_ms"`
		Until                          *time.Time
	}
	Errors []struct {
		Stage, Kind, Message string
		Stack                []string
	}
}

func (r *rig) rows(query string) []row {
	r.t.Helper()
	var page struct{ Requests []row }
	r.get("/v1/requests"+query, &page)
	return page.Requests
}

func TestARequestIsShownWithAllThatIsKnownOfIt(t *testing.T) {
	r := newRig(t)
	if rows := r.rows(""); rows == nil || len(rows) != 0 {
		t.Errorf("%+v, want an empty list", rows)
	}
	got := r.ask(200, "x-want: b", "x-request-id: mine-1", "x-session-id: session-1")
	rows := r.rows("")
	if len(rows) != 1 {
		t.Fatalf("%+v", rows)
	}
	one := rows[0]
	if one.RequestID != got.header.Get("x-sluice-request-id") || one.ClientRequestID != "mine-1" ||
		one.UpstreamRequestID != got.header.Get("request-id") {
		t.Errorf("ids %+v of %v", one, got.header)
	}
	if !strings.Contains(one.SessionID, "session-1") || one.Principal != "alice" || one.Upstream != "b" ||
		one.Model != "claude-sonnet-4-5" || one.Stream {
		t.Errorf("%+v", one)
	}
	if one.Method != "POST" || one.Path != "/v1/messages" || one.Status != 200 || one.Code != "" || one.Attempts != 1 || one.Generation != 1 {
		t.Errorf("%+v", one)
	}
	if one.Usage == nil || one.Usage.OutputTokens == 0 || one.BytesIn == 0 || one.BytesOut != int64(len(got.body)) {
		t.Errorf("%+v", one)
	}
	if one.TTFBMS <= 0 || one.DurationMS < one.TTFBMS || one.Started.Before(r.started.Add(-time.Second)) || one.Trace != nil {
		t.Errorf("%+v", one)
	}
}

func TestRequestsAreChosenByWhatIsAsked(t *testing.T) {
	r := newRig(t)
	r.ask(200)
	r.ask(200, "x-want: b")
	r.ask(403, "x-want: nobody")
	r.ask(403, "x-sluice-key: "+bobKey) // not his model
	r.ask(401, "x-sluice-key: unknown")
	f := func(query, want string) {
		t.Helper()
		var got []string
		for _, one := range r.rows(query) {
			got = append(got, fmt.Sprint(one.Status, one.Principal, one.Upstream))
		}
		if s := strings.Join(got, " "); s != want {
			t.Errorf("%s: %s, want %s", query, s, want)
		}
	}
	f("", "401 403bob 403alice 200aliceb 200alicea")
	f("?limit=2", "401 403bob")
	f("?limit=100000", "401 403bob 403alice 200aliceb 200alicea")
	f("?principal=alice", "403alice 200aliceb 200alicea")
	f("?upstream=b", "200aliceb")
	f("?status=403", "403bob 403alice")
	f("?status=403&principal=alice", "403alice")
	f("?principal=alice&limit=1", "403alice")
	f("?principal=nobody", "")
	f("?principal=&status=&limit=", "401 403bob 403alice 200aliceb 200alicea")

	bad := func(query, want string) {
		t.Helper()
		if got := r.call("GET", "/v1/requests"+query, ""); got.status != 400 || !strings.Contains(got.body, want) {
			t.Errorf("%s: %d %s", query, got.status, got.body)
		}
	}
	bad("?limit=0", `limit=\"0\", want a positive number`)
	bad("?limit=-1", "want a positive number")
	bad("?limit=many", "want a positive number")
	bad("?status=ok", `status=\"ok\", want a positive number`)
	bad("?princpal=alice", `unknown parameter \"princpal\", want one of: limit, principal, upstream, status`)
}

func TestAPageHasFiftyRequestsUnlessMoreAreAsked(t *testing.T) {
	r := newRig(t)
	for range 60 {
		r.ask(401, "x-sluice-key: unknown")
	}
	if n := len(r.rows("")); n != 50 {
		t.Errorf("%d requests, want 50", n)
	}
	if n := len(r.rows("?limit=55")); n != 55 {
		t.Errorf("%d requests, want 55", n)
	}
}

func TestOneRequestIsFoundByEachOfItsIDsWithItsTrace(t *testing.T) {
	r := newRig(t)
	got := r.ask(200, "x-want: b", "request-id: mine-1")
	r.ask(200)
	for _, id := range []string{got.header.Get("x-sluice-request-id"), got.header.Get("request-id"), "mine-1"} {
		var one row
		r.get("/v1/requests/"+id, &one)
		if one.Upstream != "b" || one.ClientRequestID != "mine-1" || one.Trace == nil {
			t.Fatalf("%s: %+v", id, one)
		}
		s := one.Trace.Stages
		if len(s) != 1 || s[0].Name != "choose" || len(s[0].Kept) != 1 || s[0].Kept[0] != "b" || s[0].Reason != "wants b" ||
			s[0].Error != "" || s[0].DurationUS <= 0 {
			t.Errorf("stages %+v", s)
		}
		if d := s[0].Dropped; len(d) != 1 || d[0].Upstream != "a" || d[0].Reason != "unwanted" {
			t.Errorf("dropped %+v", d)
		}
		if p := one.Trace.Picked; p == nil || p.Upstream != "b" || p.By != "first-pick" {
			t.Errorf("picked %+v", p)
		}
		if a := one.Trace.Attempts; len(a) != 1 || a[0].Upstream != "b" || a[0].Status != 200 || a[0].Error != "" || a[0].TTFBMS <= 0 {
			t.Errorf("attempts %+v", a)
		}
		if e := one.Trace.Errors; e == nil || len(e) != 0 {
			t.Errorf("errors %+v, want an empty list", e)
		}
		if one.Inputs == nil || one.Inputs.MaxTokens != 16 || !strings.EqualFold(fmt.Sprint(one.Inputs.Headers), "[[x-want b]]") {
			t.Errorf("inputs %+v, want what the filter could see and the header that it read", one.Inputs)
		}
	}
	got = r.call("GET", "/v1/requests/mine-2", "")
	if got.status != 404 || !strings.Contains(got.body, `no request \"mine-2\" in the ledger`) {
		t.Errorf("%d %s", got.status, got.body)
	}
	if got := r.call("GET", "/v1/requests/", ""); got.status != 404 {
		t.Errorf("%d %s", got.status, got.body)
	}
}

// TestAnIDIsNoPath: a client may call its request "..", and nobody who asks for one is shown something else.
func TestAnIDIsNoPath(t *testing.T) {
	r := newRig(t)
	for _, id := range []string{"..", "."} {
		r.ask(200, "request-id: "+id)
		var one row
		if r.get("/v1/requests/"+id, &one); one.ClientRequestID != id {
			t.Errorf("%q: %+v", id, one)
		}
	}
	for path, says := range map[string]string{
		"/v1/requests/..%2Fstatus":     `no request \"../status\" in the ledger`,
		"/v1/requests/../status":       `no request \"../status\" in the ledger`,
		"/v1/experiments/..%2fstatus":  `no experiment \"../status\"`,
		"/v1/experiments/..%2fa%2fb/x": `there is no /v1/experiments/..%2fa%2fb/x`,
	} {
		if got := r.call("GET", path, ""); got.status != 404 || !strings.Contains(got.body, says) {
			t.Errorf("%s: %d %s", path, got.status, got.body)
		}
	}
}

func TestTheTraceTellsHowAFilterFailed(t *testing.T) {
	r := newRig(t)
	f := func(want string, status int, kind, message string) {
		t.Helper()
		id := r.ask(status, "x-want: "+want, "request-id: "+want).header.Get("x-sluice-request-id")
		var one row
		if id == "" {
			id = want
		}
		r.get("/v1/requests/"+id, &one)
		if e := one.Trace.Errors; len(e) != 1 || e[0].Stage != "router_filter" || e[0].Kind != kind || !strings.Contains(e[0].Message, message) {
			t.Errorf("%s: errors %+v, want %s: %s", want, e, kind, message)
		}
		if (len(one.Trace.Errors[0].Stack) > 0) != (want == "error" || want == "forever") {
			t.Errorf("%s: stack %q", want, one.Trace.Errors[0].Stack)
		}
		if s := one.Trace.Stages[0]; !strings.Contains(s.Error, message) || len(s.Kept) != 2 {
			t.Errorf("%s: %+v: want all kept, and why", want, s)
		}
	}
	f("error", 200, "PluginError", "filters/choose.star:6:30: candidate has no field")
	f("junk", 200, "InvalidOutput", "filter returned the number 1")
	f("forever", 200, "Trap", "budgets.steps")
}

func TestADeniedRequestSaysSo(t *testing.T) {
	r := newRig(t)
	r.ask(403, "x-want: nobody", "request-id: mine-1")
	var one row
	r.get("/v1/requests/mine-1", &one)
	s := one.Trace.Stages
	if one.Code != "denied_by_filter" || one.Upstream != "" || len(s) != 1 || !s[0].Denied || s[0].Reason != "nobody is wanted" {
		t.Errorf("%+v", one)
	}
	if one.Trace.Picked != nil || len(one.Trace.Attempts) != 0 {
		t.Errorf("%+v", one.Trace)
	}
}

// stream opens an event stream. Close gives it up.
func (r *rig) stream() interface{ Close() error } {
	r.t.Helper()
	req, err := http.NewRequest("POST", "http://"+r.gateway+"/v1/messages",
		strings.NewReader(`{"model":"claude-sonnet-4-5","max_tokens":16,"stream":true,"messages":[{"role":"user","content":"hi"}]}`))
	r.must(err)
	req.Header.Set("x-api-key", aliceKey)
	req.Header.Set("anthropic-version", "2023-06-01")
	resp, err := r.client.Do(req)
	r.must(err)
	if resp.StatusCode != 200 {
		r.t.Fatalf("status %d", resp.StatusCode)
	}
	return resp.Body
}
