package admin_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

// preview is a decision as an outsider reads it.
type preview struct {
	Principal, Model, Refused, Code string
	trace
}

// asks is a message for a model, as a preview takes it.
const asks = `{"model":"claude-haiku-4-5","max_tokens":16,"messages":[{"role":"user","content":"hi"}]}`

func TestAPreviewShowsWhatWouldBeDecided(t *testing.T) {
	r := newRig(t)
	f := func(principal, request, want string) {
		t.Helper()
		body, err := json.Marshal(map[string]any{"principal": principal, "request": json.RawMessage(request)})
		r.must(err)
		got := r.call("POST", "/v1/preview", string(body))
		var p preview
		r.must(json.Unmarshal([]byte(got.body), &p))
		picked := "nobody"
		if p.Picked != nil {
			picked = p.Picked.Upstream
		}
		stages := ""
		for _, s := range p.Stages {
			stages += fmt.Sprintf(" %s%v %s", s.Name, s.Kept, s.Reason)
		}
		if s := fmt.Sprintf("%s %s %s%s %s", p.Principal, p.Model, picked, stages, p.Code); got.status != 200 || s != want {
			t.Errorf("%s: %d %q, want %q: %s", request, got.status, s, want, got.body)
		}
	}
	raw := func(headers string) string {
		text, err := json.Marshal(fmt.Sprintf("POST /v1/messages HTTP/1.1\r\nhost: x\r\n%scontent-length: %d\r\n\r\n%s", headers, len(asks), asks))
		r.must(err)
		return string(text)
	}
	f("", asks, "alice claude-haiku-4-5 a choose[a] wants a ")
	f("bob", asks, "bob claude-haiku-4-5 a choose[a] wants a ")
	f("bob", raw("x-want: b\r\n"), "bob claude-haiku-4-5 b choose[b] wants b ")
	f("alice", raw("x-want: nobody\r\n"), "alice claude-haiku-4-5 nobody choose[] nobody is wanted denied_by_filter")
	f("alice", raw("x-want: c\r\n"), "alice claude-haiku-4-5 nobody choose[] wants c no_upstream_after_filter")
	f("bob", strings.Replace(asks, "haiku", "opus", 1), "bob  nobody model_not_allowed")
	f("alice", `{"model":1}`, "alice  nobody bad_body")
	f("alice", `"GET /v1/organizations/x HTTP/1.1\r\nhost: x\r\n\r\n"`, "alice  nobody path_not_allowed")
}

func TestAPreviewThatCannotBeMadeSaysWhy(t *testing.T) {
	r := newRig(t)
	f := func(body, want string) {
		t.Helper()
		if got := r.call("POST", "/v1/preview", body); got.status != 400 || !strings.Contains(got.body, want) {
			t.Errorf("%s: %d %s, want 400 and %q", body, got.status, got.body, want)
		}
	}
	const shape = `want {\"principal\": NAME, \"request\": BODY, \"arms\": BOOL}`
	f("", "the body is empty, "+shape)
	f("{", "the body is no JSON: unexpected end of JSON input, "+shape)
	f("[]", "the body is of type array, "+shape)
	f(`{"principal": 5, "request": {}}`, `\"principal\" is a number, `+shape)
	f(`{"principle": "bob", "request": `+asks+`}`, `unknown key \"principle\", `+shape)
	f(`{"principal": "alice"}`, `there is no \"request\", `+shape)
	f(`{"principal": "carol", "request": `+asks+`}`, `no principal \"carol\", want one of: alice, bob`)
}

func TestAPreviewLeavesNoTrace(t *testing.T) {
	r := newRig(t)
	for range 5 {
		if got := r.call("POST", "/v1/preview", `{"request": `+asks+`}`); got.status != 200 {
			t.Fatalf("%d %s", got.status, got.body)
		}
	}
	if n := len(r.sims["a"].Requests()) + len(r.sims["b"].Requests()); n != 0 {
		t.Errorf("%d requests went to an upstream", n)
	}
	if rows := r.rows(""); len(rows) != 0 {
		t.Errorf("%+v is on record", rows)
	}
	if families := r.metrics(); families["sluice_requests_total"] != nil {
		t.Errorf("%v is counted", families["sluice_requests_total"])
	}
	for _, path := range []string{"filters/choose.star", "observers/audit.lua"} {
		if calls := r.script(path).Calls; calls != 0 {
			t.Errorf("%s: %d calls are counted", path, calls)
		}
	}
}
