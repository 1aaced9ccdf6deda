package proxy_test

import (
	"bytes"
	"compress/gzip"
	"strings"
	"testing"

	"sluice/engine/health"
)

func zipped(t *testing.T, text string) string {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestWhatIsCompressedIsUnderstood, though nobody asked for it, and passes as it came.
func TestWhatIsCompressedIsUnderstood(t *testing.T) {
	poor := zipped(t, `{"type":"error","error":{"type":"invalid_request_error","message":"Your credit balance is too low to access the Anthropic API."}}`)
	refused := strings.Replace(ok(poor, "content-encoding: gzip"), "200 OK", "400 Bad Request", 1)
	rich := zipped(t, `{"model":"claude-y","usage":{"input_tokens":3,"output_tokens":7}}`)

	r := newRig(t, plays(t, answers(refused)).upstream("a"), plays(t, answers(ok(rich, "content-encoding: gzip"))).upstream("b"))
	r.gen.Vitals = health.NewTracker(nil)
	if r.gen.Upstreams[0].Name != "a" { // first-pick takes the lowest id
		r.gen.Upstreams[0].BaseURL, r.gen.Upstreams[1].BaseURL = r.gen.Upstreams[1].BaseURL, r.gen.Upstreams[0].BaseURL
	}
	r.start()
	got := r.do(post("/v1/messages", hello))
	want(t, "status", got.code(), "200 ")
	want(t, "body", got.body, rich)
	row := r.ledger.wait(t, 1)[0]
	want(t, "attempts", len(row.Trace.Attempts), 2)
	want(t, "class", string(row.Trace.Attempts[0].Class), "billing")
	want(t, "answered", row.Answered, "claude-y")
	want(t, "output", row.Usage.OutputTokens, int64(7))
}
