package engine_test

import (
	"context"
	"io"
	"strings"
	"testing"

	"sluice/engine"
)

// tokenSigner signs with what it is: a token, or a whole authorization.
type tokenSigner string

func (s tokenSigner) Build(context.Context, *engine.Upstream) (engine.Signer, error) { return s, nil }
func (s tokenSigner) Sign(_ context.Context, shaped engine.Shaped, c *engine.SigningCapability) (engine.Signed, error) {
	value := string(s)
	if !strings.Contains(value, " ") {
		value = "Bearer " + value
	}
	shaped.Headers().Set("authorization", value)
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
	*l.seen = h.Get("x-got") + h.Get("x-url") + " " + h.Get("x-b") + " " + string(body)
	return nil, nil
}

func (looking) Transforms() (responses, events bool) { return true, false }
func (l looking) TransformResponse(_ *engine.RequestContext, _ *engine.State, r *engine.Reply) (*engine.Reply, error) {
	*l.seen = string(r.Body)
	return nil, nil
}
func (looking) TransformEvent(*engine.RequestContext, *engine.State, engine.StreamEvent) ([]engine.StreamEvent, error) {
	return nil, nil
}

// sees is what a script sees of an answer to a request that was signed with token.
func sees(t testing.TB, token, body string) string {
	t.Helper()
	w, seen := newWorld(t, upstreamNamed("a")), ""
	w.generation.Limits.Body = 64 << 20
	slot := w.generation.Upstreams[0]
	slot.Signers = tokenSigner(token)
	slot.Dialect = &engine.DialectSlot{Dialect: looking{seen: &seen}, Script: "s.star", Meter: &engine.Meter{}}
	w.transport = func(context.Context, engine.Signed) (*engine.Response, error) {
		return &engine.Response{Status: 200, Length: int64(len(body)), Body: io.NopCloser(strings.NewReader(body))}, nil
	}
	if _, err := w.try(); err != nil {
		t.Fatal(err)
	}
	return seen
}

// Whoever repeats a credential in JSON or in a URL may escape it.
func TestAScriptSeesNoCredentialThatIsEscaped(t *testing.T) {
	const token = "/sk-ant/0123456789+abcdef=="
	for _, body := range []string{
		`"\/sk-ant\/0123456789+abcdef=="`,
		`"\/sk-ant/0123456789\u002babcdef\u003d="`,
		`"\u002Fsk\u002dant\u002f0123456789\u002Babcdef=\u003D"`,
		`%2Fsk-ant%2f0123456789%2Babcdef%3d%3D`,
		`/sk%2Dant%2F0123456789%2babcdef==`,
		`"\/sk-ant%2F0123456789\u002babcdef%3D="`,
		`"\\/sk-ant\\/0123456789\u002babcdef=="`,
		`%252Fsk-ant%25252f0123456789%2Babcdef==`,
	} {
		if got, want := sees(t, token, body), strings.Repeat("*", len(strings.Trim(body, `"`))); strings.Trim(got, `"`) != want {
			t.Errorf("of %s the script saw %s", body, got)
		}
	}
}

// What looks like a credential, or like the beginning of one, stays as it is.
func TestAScriptSeesWhatIsNoCredential(t *testing.T) {
	const token = "/sk-ant/0123456789abcdef=="
	for _, body := range []string{
		"0123456789abcdef", "/sk-ant/0123456789abcdef=", "%2Fsk-ant%2F0123456789abcdef=%3", `\/sk-ant\u002e0123456789abcdef==`, `0123456789abcdef \u00`,
		`\sk-ant\/0123456789abcdef==`, "0123456789abcdef " + strings.Repeat(`\`, 4<<20), "0123456789abcdef %" + strings.Repeat("25", 4<<20),
	} {
		if got := sees(t, token, body); got != body {
			t.Errorf("of %.80s the script saw %.80s", body, got)
		}
	}
}

// Of an AWS signature the script sees neither whose it is nor what it is.
func TestAScriptSeesNoPartOfAnAWSCredential(t *testing.T) {
	const id, signature = "AKIAIOSFODNN7EXAMPLE", "fe5f80f77d5fa3beca038a248ff027d0445342fe2855ddc963176630326f1024"
	header := "AWS4-HMAC-SHA256 Credential=" + id + "/20250101/us-east-1/bedrock/aws4_request, SignedHeaders=host;x-amz-date, Signature=" + signature
	stars := func(text string) string {
		for _, part := range []string{id, signature} {
			text = strings.ReplaceAll(text, part, strings.Repeat("*", len(part)))
		}
		return text
	}
	for _, body := range []string{header, "the key " + id + " is unknown", "want another signature than " + signature} {
		if got, want := sees(t, header, body), stars(body); got != want {
			t.Errorf("the script saw %q, want %q", got, want)
		}
	}
}

// A name of a header cannot hold all of a credential, and is the same in either case.
func TestAScriptSeesNoCredentialInTheNameOfAHeader(t *testing.T) {
	const token = "sk-ant-Api03-/0123456789abcdef+x=y"
	for name, hidden := range map[string]bool{
		"sk-ant-api03-0123456789abcdefxy": true, "X-Echo-SK_ANT_API03_0123456789ABCDEF_X_Y": true, "x-sk-ant-Api03-%2F0123456789abcdef": false,
		"x-0123456789abcdef": false, "anthropic-ratelimit-unified-5h-utilization": false, "sk-ant-api03-0123456789abcdefx": false,
	} {
		w, seen := newWorld(t, upstreamNamed("a")), engine.Headers{}
		slot := w.generation.Upstreams[0]
		slot.Signers = tokenSigner(token)
		slot.Dialect = &engine.DialectSlot{Dialect: heading{seen: &seen}, Script: "s.star", Meter: &engine.Meter{}}
		w.transport = func(context.Context, engine.Signed) (*engine.Response, error) {
			return &engine.Response{Status: 400, Headers: engine.Headers{{Name: name, Value: "1"}}, Body: io.NopCloser(strings.NewReader(""))}, nil
		}
		if _, err := w.try(); err != nil {
			t.Fatal(err)
		}
		if (seen.Get(name) == "") != hidden {
			t.Errorf("of %s the script saw %v", name, seen)
		}
	}
}

// heading is a dialect that keeps the head of an error.
type heading struct {
	engine.Passthrough
	seen *engine.Headers
}

func (d heading) NormalizeError(_ int, h engine.Headers, _ []byte) (*engine.NormalizedError, error) {
	*d.seen = h
	return nil, nil
}

// A script sees an answer without the credential that its request carried; a word that servers without one take is no credential. The client
// gets the answer as it came.
func TestAScriptSeesNoCredentialInAnAnswer(t *testing.T) {
	for token, hidden := range map[string]bool{"no-key": false, "sk-ant-api03-0123456789abcdef": true} {
		w, seen := newWorld(t, upstreamNamed("a")), ""
		slot := w.generation.Upstreams[0]
		slot.Signers = tokenSigner(token)
		slot.Dialect = &engine.DialectSlot{Dialect: looking{seen: &seen}, Script: "s.star", Meter: &engine.Meter{}}
		body, escaped := "got "+token+" and "+token+"!", strings.ReplaceAll(token, "-", "%2d")
		w.transport = func(context.Context, engine.Signed) (*engine.Response, error) {
			h := engine.Headers{{Name: "x-got", Value: "Bearer " + token}, {Name: "x-url", Value: escaped}, {Name: "x-b", Value: "1"}}
			return &engine.Response{Status: 400, Headers: h, Length: int64(len(body)), Body: io.NopCloser(strings.NewReader(body))}, nil
		}
		a, err := w.try()
		if err != nil {
			t.Fatal(err)
		}
		want := "Bearer " + token + escaped + " 1 " + body
		if stars := strings.Repeat("*", len(token)); hidden {
			want = "Bearer " + stars + strings.Repeat("*", len(escaped)) + " 1 got " + stars + " and " + stars + "!"
		}
		if got, _ := io.ReadAll(a.Body); seen != want || string(got) != body || a.Headers.Get("x-got") == "" {
			t.Errorf("the script saw %q, want %q; the client gets %q", seen, want, got)
		}
	}
}
