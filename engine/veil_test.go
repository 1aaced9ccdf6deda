package engine_test

import (
	"context"
	"io"
	"strings"
	"testing"

	"sluice/engine"
)

// tokenSigner signs with what it is.
type tokenSigner string

func (s tokenSigner) Build(context.Context, *engine.Upstream) (engine.Signer, error) { return s, nil }
func (s tokenSigner) Sign(_ context.Context, shaped engine.Shaped, c *engine.SigningCapability) (engine.Signed, error) {
	shaped.Headers().Set("authorization", "Bearer "+string(s))
	return c.Seal(shaped)
}
func (tokenSigner) OnUnauthorized(context.Context, *engine.UpstreamError) engine.RetryDecision {
	return engine.Fail
}

// looking is a dialect that keeps all it sees of an error.
type looking struct {
	engine.Passthrough
	seen *string
}

func (l looking) NormalizeError(_ int, h engine.Headers, body []byte) (*engine.NormalizedError, error) {
	*l.seen = h.Get("x-got") + " " + h.Get("x-b") + " " + string(body)
	return nil, nil
}

// A script sees an answer without the credential that its request carried; a word that servers without one take is no credential. The client
// gets the answer as it came.
func TestAScriptSeesNoCredentialInAnAnswer(t *testing.T) {
	for token, hidden := range map[string]bool{"no-key": false, "sk-ant-api03-0123456789abcdef": true} {
		w := newWorld(t, upstreamNamed("a"))
		slot, seen := w.generation.Upstreams[0], ""
		slot.Signers = tokenSigner(token)
		slot.Dialect = &engine.DialectSlot{Dialect: looking{seen: &seen}, Script: "s.star", Meter: &engine.Meter{}}
		body := "got " + token + " and " + token + "!"
		w.transport = func(context.Context, engine.Signed) (*engine.Response, error) {
			return &engine.Response{Status: 400, Headers: engine.Headers{{Name: "x-got", Value: "Bearer " + token}, {Name: "x-b", Value: "1"}},
				Length: int64(len(body)), Body: io.NopCloser(strings.NewReader(body))}, nil
		}
		a, err := w.try()
		if err != nil {
			t.Fatal(err)
		}
		want := "Bearer " + token + " 1 " + body
		if stars := strings.Repeat("*", len(token)); hidden {
			want = " 1 got " + stars + " and " + stars + "!"
		}
		if got, _ := io.ReadAll(a.Body); seen != want || string(got) != body || a.Headers.Get("x-got") == "" {
			t.Errorf("the script saw %q, want %q; the client gets %q", seen, want, got)
		}
	}
}
