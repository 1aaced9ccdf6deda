package signers_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"sluice/engine"
	"sluice/engine/signers"
)

const (
	ours   = "sk-ant-planted-ours"
	theirs = "sk-ant-planted-theirs"
)

type calm struct{}

func (calm) Vitals(*engine.Upstream, time.Time) *engine.Vitals { return &engine.Vitals{} }

// send runs one request through the engine with a signer and returns what a transport was given.
func send(t *testing.T, f engine.SignerFactory, client engine.Credential, statuses ...int) ([]engine.Signed, error) {
	t.Helper()
	base, _ := url.Parse("https://api.example")
	u := &engine.Upstream{ID: uuid.New(), Name: "up", Kind: engine.KindAnthropicDirect, BaseURL: base}
	strategy, _ := engine.NewStrategy("first-pick", 0)
	_, forwards := f.(engine.KeyAwareSignerFactory)
	g := &engine.Generation{Strategy: strategy, Vitals: calm{}, Upstreams: []*engine.UpstreamSlot{{Upstream: u, Signers: f, ForwardsClient: forwards,
		Dialect: &engine.DialectSlot{Dialect: engine.Passthrough{}, Meter: &engine.Meter{}}}}}
	var sent []engine.Signed
	_, err := g.Serve(context.Background(), &engine.Exchange{Principal: &engine.Principal{Name: "p"}, Client: client,
		Request: &engine.RequestContext{Method: "POST", Path: "/v1/messages"}}, engine.TransportFunc(
		func(_ context.Context, s engine.Signed) (*engine.Response, error) {
			sent = append(sent, s)
			return &engine.Response{Status: statuses[len(sent)-1], Body: io.NopCloser(strings.NewReader("no"))}, nil
		}))
	return sent, err
}

func lines(s engine.Signed) string {
	var out []string
	for i := range s.HeaderLines() {
		h := s.HeaderLine(i)
		out = append(out, h.Name+": "+h.Value)
	}
	return strings.Join(out, "\n")
}

func factory(t *testing.T, f engine.SignerFactory, err error) engine.SignerFactory {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// The suite that every signer passes.
func TestEverySignerSignsAndLeaksNothing(t *testing.T) {
	client := engine.NewCredential(engine.Headers{{Name: "X-Api-Key", Value: theirs}, {Name: "Authorization", Value: "Bearer " + theirs}})
	f := func(name string, s engine.SignerFactory, want string) {
		t.Helper()
		sent, err := send(t, s, client, 200)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if got := lines(sent[0]); got != want {
			t.Errorf("%s sends\n%s\nwant\n%s", name, got, want)
		}
		signer, err := s.Build(context.Background(), nil)
		encoded, _ := json.Marshal(signer)
		printed := fmt.Sprintf("%v %+v %#v %s %v %+v %#v %v %s", s, s, s, s, signer, signer, signer, err, encoded)
		if strings.Contains(printed, "planted") {
			t.Errorf("%s prints a credential: %s", name, printed)
		}
		if _, err := send(t, s, client, 401); err != nil && strings.Contains(fmt.Sprintf("%v %+v", err, err), "planted") {
			t.Errorf("%s: the error after a 401 tells a credential: %v", name, err)
		}
	}
	key, err := signers.AnthropicKey(ours)
	f("anthropic_key", factory(t, key, err), "x-api-key: "+ours)
	token, err := signers.Bearer(ours)
	f("bearer", factory(t, token, err), "authorization: Bearer "+ours)
	f("forward", signers.Forward(), "X-Api-Key: "+theirs+"\nAuthorization: Bearer "+theirs)
}

func TestOurRefusedCredentialIsNeverTheClients401(t *testing.T) {
	key, err := signers.AnthropicKey(ours)
	sent, err := send(t, factory(t, key, err), engine.Credential{}, 401)
	var r *engine.Refusal
	if !errors.As(err, &r) || r.Code != engine.CodeUpstreamCredential || len(sent) != 1 {
		t.Errorf("got %v after %d attempts, want %s after one", err, len(sent), engine.CodeUpstreamCredential)
	}
	if _, err := send(t, signers.Forward(), engine.NewCredential(engine.Headers{{Name: "x-api-key", Value: theirs}}), 401); err != nil {
		t.Errorf("forward: got %v, want the upstream's own 401", err)
	}
}

func TestASignerWithoutItsCredentialIsRefused(t *testing.T) {
	f := func(_ any, err error) {
		t.Helper()
		var e *engine.SignerError
		if !errors.As(err, &e) || e.Variant != engine.SignerMissingCredentials {
			t.Errorf("got %v, want missing credentials", err)
		}
	}
	f(signers.AnthropicKey(""))
	f(signers.Bearer(""))
	f(signers.Forward().Build(context.Background(), nil))
}

func TestACredentialThatWouldSplitTheHeadIsRefused(t *testing.T) {
	key, err := signers.AnthropicKey("abc\r\nx-evil: 1")
	_, err = send(t, factory(t, key, err), engine.Credential{}, 200)
	var r *engine.Refusal
	if !errors.As(err, &r) || r.Code != engine.CodeSignerFailed || strings.Contains(err.Error(), "evil") {
		t.Errorf("got %v, want %s without the value", err, engine.CodeSignerFailed)
	}
}
