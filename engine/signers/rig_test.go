package signers_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"sluice/engine"
	"sluice/engine/reload"
	"sluice/engine/signers"
)

const (
	ours   = "sk-ant-planted-ours"
	theirs = "sk-ant-planted-theirs"
)

type calm struct{}

func (calm) Vitals(*engine.Upstream, time.Time) *engine.Vitals { return &engine.Vitals{} }

// draft is a dialect that sends one draft, whatever was asked. The zero value passes the request on.
type draft engine.Draft

func (d draft) Shape(ctx *engine.RequestContext, u *engine.Upstream, p *engine.Principal, b *engine.ShapedRequestBuilder) (engine.Shaped, error) {
	if d.URL == "" {
		return engine.Passthrough{}.Shape(ctx, u, p, b)
	}
	return b.Build(engine.Draft(d))
}

func (draft) NormalizeError(int, engine.Headers, []byte) (*engine.NormalizedError, error) {
	return nil, nil
}

// call is one request through the engine, to one upstream that a signer signs for.
type call struct {
	signers engine.SignerFactory
	client  engine.Credential
	headers engine.Headers // of the client
	draft   draft
	// answer gives the status of each attempt, nil = 200.
	answer func(attempt int, sent engine.Signed) int
}

// do returns what a transport was given, and the error of the whole.
func (c call) do(ctx context.Context, t testing.TB) ([]engine.Signed, error) {
	t.Helper()
	base, err := url.Parse("https://api.example")
	if c.draft.URL != "" {
		base, err = url.Parse(c.draft.URL)
	}
	if err != nil {
		t.Fatal(err)
	}
	u := &engine.Upstream{ID: uuid.New(), Name: "up", Kind: engine.KindAnthropicDirect, BaseURL: base}
	strategy, _ := engine.NewStrategy("first-pick", 0)
	_, forwards := c.signers.(engine.KeyAwareSignerFactory)
	g := &engine.Generation{Strategy: strategy, Vitals: calm{}, Upstreams: []*engine.UpstreamSlot{{Upstream: u, Signers: c.signers, ForwardsClient: forwards,
		Dialect: &engine.DialectSlot{Dialect: c.draft, Meter: &engine.Meter{}}}}}
	var sent []engine.Signed
	answer, err := g.Serve(ctx, &engine.Exchange{Principal: &engine.Principal{Name: "p"}, Client: c.client,
		Request: &engine.RequestContext{Method: "POST", Path: "/v1/messages", Headers: c.headers}}, engine.TransportFunc(
		func(_ context.Context, s engine.Signed) (*engine.Response, error) {
			sent = append(sent, s)
			status := 200
			if c.answer != nil {
				status = c.answer(len(sent), s)
			}
			return &engine.Response{Status: status, Body: io.NopCloser(strings.NewReader("no"))}, nil
		}))
	if answer != nil && answer.Status != 200 && err == nil {
		err = fmt.Errorf("status %d", answer.Status)
	}
	return sent, err
}

// send does one call that the upstream answers with these statuses, in turn.
func send(t testing.TB, f engine.SignerFactory, client engine.Credential, statuses ...int) ([]engine.Signed, error) {
	t.Helper()
	return call{signers: f, client: client, answer: func(attempt int, _ engine.Signed) int { return statuses[attempt-1] }}.do(context.Background(), t)
}

func lines(s engine.Signed) string {
	var out []string
	for i := range s.HeaderLines() {
		h := s.HeaderLine(i)
		out = append(out, h.Name+": "+h.Value)
	}
	return strings.Join(out, "\n")
}

func header(s engine.Signed, name string) string {
	for i := range s.HeaderLines() {
		if h := s.HeaderLine(i); engine.EqualFold(h.Name, name) {
			return h.Value
		}
	}
	return ""
}

func factory(t testing.TB, f engine.SignerFactory, err error) engine.SignerFactory {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// refusal fails unless err is of a code and tells text, and returns it.
func refusal(t testing.TB, err error, code engine.Code, text string) {
	t.Helper()
	var r *engine.Refusal
	if !errors.As(err, &r) || r.Code != code || !strings.Contains(err.Error(), text) {
		t.Errorf("got %v, want %s with %q", err, code, text)
	}
	if err != nil && strings.Contains(err.Error(), "planted") {
		t.Errorf("the error tells a credential: %v", err)
	}
}

// clock is moved by tests.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// endpoint is a token endpoint. Each answer is given once, the last one for ever.
type endpoint struct {
	*httptest.Server
	mu      sync.Mutex
	answers []http.HandlerFunc
	asked   []map[string]string // the bodies
	heads   []http.Header
}

func newEndpoint(t testing.TB, answers ...http.HandlerFunc) *endpoint {
	e := &endpoint{answers: answers}
	e.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var body map[string]string
		text, _ := io.ReadAll(r.Body)
		if json.Unmarshal(text, &body) != nil {
			body = map[string]string{"raw": string(text)}
		}
		e.mu.Lock()
		e.asked, e.heads = append(e.asked, body), append(e.heads, r.Header)
		answer := e.answers[0]
		if len(e.answers) > 1 {
			e.answers = e.answers[1:]
		}
		e.mu.Unlock()
		answer(w, r)
	}))
	t.Cleanup(e.Close)
	return e
}

func (e *endpoint) calls() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.asked)
}

// says answers a status, a type and a text.
func says(status int, kind, text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", kind)
		w.WriteHeader(status)
		io.WriteString(w, text)
	}
}

// gives answers tokens that last.
func gives(access, refresh string, seconds int) http.HandlerFunc {
	answer := map[string]any{"token_type": "Bearer", "access_token": access, "expires_in": seconds}
	if refresh != "" {
		answer["refresh_token"] = refresh
	}
	text, _ := json.Marshal(answer)
	return says(200, "application/json", string(text))
}

var invalidGrant = says(400, "application/json", `{"error":"invalid_grant","error_description":"Refresh token not found or invalid: planted"}`)

// rig is the world of accounts: a clock, a data directory that survives them, and what was said to the operator.
type rig struct {
	*clock
	t     testing.TB
	shelf signers.Shelf
	dir   string
	mu    sync.Mutex
	said  []string
}

func newRig(t testing.TB) *rig {
	r := &rig{clock: newClock(), t: t, dir: t.TempDir()}
	data, err := reload.OpenData(r.dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { data.Close() })
	r.shelf = data
	return r
}

// start makes accounts, as a start of the gateway does.
func (r *rig) start() *signers.Accounts {
	a := signers.NewAccounts(signers.Options{Shelf: r.shelf, Now: r.Now, Warn: func(s string) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.said = append(r.said, s)
	}})
	r.t.Cleanup(func() { a.Close() })
	return a
}

func (r *rig) warnings() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return strings.Join(r.said, "\n")
}

var upID = uuid.MustParse("0b7b5f0e-6c8f-4c59-9d3b-6d1d0c6a2f11")

// oauth is the config of an account at e that has a refresh token alone.
func oauth(e *endpoint, refresh string) signers.OAuth {
	return signers.OAuth{Upstream: upID, Name: "up", ClientID: "client-1", RefreshToken: refresh, TokenURL: e.URL + "/v1/oauth/token"}
}

// load makes the factory of an account the one that serves, as a load of the config does.
func (r *rig) load(a *signers.Accounts, dataKey string, c signers.OAuth) engine.SignerFactory {
	r.t.Helper()
	f, err := a.AnthropicOAuth(c)
	if err != nil {
		r.t.Fatal(err)
	}
	a.Adopt(dataKey, maps.Values(map[int]engine.SignerFactory{0: f}))
	return f
}

// token is the one that a request now would be signed with.
func (r *rig) token(f engine.SignerFactory) string {
	r.t.Helper()
	sent, err := send(r.t, f, engine.Credential{}, 200)
	if err != nil {
		r.t.Fatal(err)
	}
	return strings.TrimPrefix(header(sent[0], "authorization"), "Bearer ")
}

// file is what is kept of the upstream.
func (r *rig) file() string {
	r.t.Helper()
	text, err := r.shelf.Read("token-" + upID.String() + ".json")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		r.t.Fatal(err)
	}
	return string(text)
}

func state(f engine.SignerFactory) engine.CredentialState {
	return f.(engine.RenewingSignerFactory).CredentialState()
}

// without clears environment variables for a test.
func without(t *testing.T, names ...string) {
	for _, name := range names {
		t.Setenv(name, "")
		os.Unsetenv(name)
	}
}
