package signers_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"sluice/engine"
	"sluice/engine/signers"
)

// credentials that no signer passes on, under every name that one may have.
var foreign = engine.Headers{
	{Name: "Authorization", Value: "Bearer planted-foreign"}, {Name: "x-api-key", Value: "planted-foreign"}, {Name: "API-Key", Value: "planted-foreign"},
	{Name: "Proxy-Authorization", Value: "planted-foreign"}, {Name: "cookie", Value: "planted-foreign"},
	{Name: "X-Amz-Date", Value: "planted-foreign"}, {Name: "x-amz-security-token", Value: "planted-foreign"},
	{Name: "x-goog-user-project", Value: "planted-foreign"}, {Name: "X-Goog-Api-Key", Value: "planted-foreign"},
	{Name: "x-sluice-key", Value: "planted-foreign"},
}

// planting is a factory whose requests come with foreign credentials, as no dialect can make them.
type planting struct{ engine.SignerFactory }

func (p planting) Build(ctx context.Context, u *engine.Upstream) (engine.Signer, error) {
	s, err := p.SignerFactory.Build(ctx, u)
	return plantingSigner{s}, err
}

type plantingSigner struct{ engine.Signer }

func (p plantingSigner) Sign(ctx context.Context, shaped engine.Shaped, capability *engine.SigningCapability) (engine.Signed, error) {
	*shaped.Headers() = append(slices.Clone(foreign), *shaped.Headers()...)
	return p.Signer.Sign(ctx, shaped, capability)
}

func (p plantingSigner) OnUnauthorized(ctx context.Context, err *engine.UpstreamError) engine.RetryDecision {
	d := p.Signer.OnUnauthorized(ctx, err)
	if d.Refreshed != nil {
		d.Refreshed = plantingSigner{d.Refreshed}
	}
	return d
}

// every is one signer of each type, with the header names that it sends besides the client's own.
func every(t *testing.T) map[string]struct {
	factory engine.SignerFactory
	names   []string
} {
	type signer = struct {
		factory engine.SignerFactory
		names   []string
	}
	out := map[string]signer{}
	add := func(name string, f engine.SignerFactory, err error, names ...string) {
		out[name] = signer{factory(t, f, err), names}
	}
	r := newRig(t)
	a := r.start()
	key, err := signers.AnthropicKey(ours)
	add("anthropic_key", key, err, "x-api-key")
	token, err := signers.Bearer(ours)
	add("bearer", token, err, "authorization")
	out["anthropic_oauth"] = signer{r.load(a, "planted-data-key", oauth(newEndpoint(t, gives(ours, "refresh-planted", 3600)), "refresh-planted-0")),
		[]string{"anthropic-beta", "authorization"}}
	service, err := a.GCPOAuth(upID, "up", serviceAccount(t, newEndpoint(t, gives(ours, "", 3600))))
	add("gcp_oauth", service, err, "authorization")
	static := signers.AWS{Upstream: upID, Service: "bedrock", Region: "us-east-1", AccessKey: "AKIDEXAMPLE", SecretKey: ours, SessionToken: ours}
	keys, err := a.AWSSigV4(static)
	add("aws_sigv4", keys, err, "X-Amz-Date", "X-Amz-Security-Token", "Authorization")
	static.AccessKey, static.SecretKey, static.BearerToken = "", "", ours
	bearer, err := a.AWSSigV4(static)
	add("aws_sigv4 with a bearer token", bearer, err, "authorization")
	alone(t)
	for _, name := range []string{"AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"} {
		t.Setenv(name, ours)
	}
	t.Setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
	chain, err := a.AWSSigV4(signers.AWS{Upstream: upID, Service: "aws-external-anthropic", Region: "us-east-1"})
	add("aws_sigv4 with the chain", chain, err, "X-Amz-Date", "X-Amz-Security-Token", "Authorization")
	return out
}

// The suite that every signer passes.
func TestEverySigner(t *testing.T) {
	client := engine.NewCredential(engine.Headers{{Name: "X-Api-Key", Value: theirs}, {Name: "Authorization", Value: "Bearer " + theirs}})
	for name, s := range every(t) {
		t.Run(name, func(t *testing.T) {
			c := call{signers: planting{s.factory}, client: client, headers: engine.Headers{{Name: "x-app", Value: "cli"}}}
			sent, err := c.do(context.Background(), t)
			if err != nil {
				t.Fatal(err)
			}
			sendsOnly(t, sent[0], append([]string{"x-app"}, s.names...))
			signsEachAttempt(t, c)
			tellsNothing(t, s.factory)
		})
	}
}

// sendsOnly: the names, each once, and nothing of another's credential.
func sendsOnly(t *testing.T, s engine.Signed, names []string) {
	t.Helper()
	var got []string
	for i := range s.HeaderLines() {
		got = append(got, s.HeaderLine(i).Name)
	}
	if !slices.Equal(got, names) || strings.Contains(lines(s), theirs) || strings.Contains(lines(s), "foreign") {
		t.Errorf("sends\n%s\nwant the lines %v", lines(s), names)
	}
}

// signsEachAttempt: many requests at once, each with its own bytes under its own signature.
func signsEachAttempt(t *testing.T, c call) {
	t.Helper()
	var all sync.WaitGroup
	for i := range 16 {
		all.Go(func() {
			c := c
			c.draft = draft{Method: "POST", URL: "https://api.example/v1/messages", Body: fmt.Appendf(nil, "body %d", i)}
			sent, err := c.do(context.Background(), t)
			if err != nil || string(sent[0].Body()) != fmt.Sprintf("body %d", i) {
				t.Errorf("request %d: %v, %v", i, sent, err)
			}
		})
	}
	all.Wait()
}

// tellsNothing: however it is printed, and whatever fails.
func tellsNothing(t *testing.T, f engine.SignerFactory) {
	t.Helper()
	signer, err := f.Build(context.Background(), nil)
	if err != nil {
		t.Fatal(err)
	}
	var told []string
	for _, v := range []any{f, signer, &f, &signer, signer.OnUnauthorized(context.Background(), &engine.UpstreamError{Status: 401})} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
			told = append(told, fmt.Sprintf(verb, v))
		}
		encoded, err := json.Marshal(v)
		told = append(told, string(encoded), fmt.Sprint(err))
	}
	func() {
		defer func() { told = append(told, fmt.Sprint(recover()), fmt.Sprintf("%#v", recover())) }()
		panic(signer)
	}()
	_, err = send(t, f, engine.Credential{}, 401, 401)
	told = append(told, fmt.Sprintf("%v %+v %#v", err, err, err))
	for _, text := range told {
		for _, secret := range []string{"planted", fmt.Sprintf("%x", "planted"), ours} {
			if strings.Contains(text, secret) {
				t.Errorf("a credential is told: %s", text)
			}
		}
	}
}

func TestForwardPassesTheClientsOwnCredentialOnAndNothingElse(t *testing.T) {
	client := engine.NewCredential(engine.Headers{{Name: "X-Api-Key", Value: theirs}, {Name: "Authorization", Value: "Bearer " + theirs}})
	sent, err := send(t, signers.Forward(), client, 200)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := lines(sent[0]), "X-Api-Key: "+theirs+"\nAuthorization: Bearer "+theirs; got != want {
		t.Errorf("sends\n%s\nwant\n%s", got, want)
	}
	bound := signers.Forward().(engine.KeyAwareSignerFactory).WithRouterChoice(client, "up")
	signer, err := planting{bound}.Build(context.Background(), nil)
	if err != nil {
		t.Fatal(err)
	}
	sent, err = call{signers: always{signer}}.do(context.Background(), t)
	if err != nil {
		t.Fatal(err)
	}
	sendsOnlyTheirs := lines(sent[0])
	if strings.Contains(sendsOnlyTheirs, "foreign") || strings.Count(sendsOnlyTheirs, theirs) != 2 {
		t.Errorf("sends\n%s", sendsOnlyTheirs)
	}
	tellsNothing(t, bound)
}

// always is the factory of one signer.
type always struct{ signer engine.Signer }

func (a always) Build(context.Context, *engine.Upstream) (engine.Signer, error) { return a.signer, nil }

func TestOurRefusedCredentialIsNeverTheClients401(t *testing.T) {
	key, err := signers.AnthropicKey(ours)
	sent, err := send(t, factory(t, key, err), engine.Credential{}, 401)
	if refusal(t, err, engine.CodeUpstreamCredential, ""); len(sent) != 1 {
		t.Errorf("%d attempts, want one", len(sent))
	}
	_, err = send(t, signers.Forward(), engine.NewCredential(engine.Headers{{Name: "x-api-key", Value: theirs}}), 401)
	if err == nil || err.Error() != "status 401" {
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
	a := newRig(t).start()
	f(signers.AnthropicKey(""))
	f(signers.Bearer(""))
	f(signers.Forward().Build(context.Background(), nil))
	f(a.AnthropicOAuth(signers.OAuth{ClientID: "c", TokenURL: "https://a.example"}))
	f(a.AWSSigV4(signers.AWS{Service: "bedrock"}))
	f(a.AWSSigV4(signers.AWS{Service: "bedrock", Region: "r", AccessKey: "k"}))
	f(a.GCPOAuth(upID, "up", []byte(`{"type":"planted"}`)))
	f(a.GCPOAuth(upID, "up", []byte(`planted`)))
}

func TestACredentialThatWouldSplitTheHeadIsRefused(t *testing.T) {
	key, err := signers.AnthropicKey("abc\r\nx-evil: 1")
	_, err = send(t, factory(t, key, err), engine.Credential{}, 200)
	if refusal(t, err, engine.CodeSignerFailed, ""); strings.Contains(err.Error(), "evil") {
		t.Errorf("got %v, want it without the value", err)
	}
}

// TestAGarbledAnswerIsRepeatedToNobody, whoever was asked for a token: where a head ends too early, what it takes for a line may be one.
func TestAGarbledAnswerIsRepeatedToNobody(t *testing.T) {
	alone(t)
	t.Setenv("HOME", t.TempDir()) // where gcloud's file would be
	without(t, "GOOGLE_APPLICATION_CREDENTIALS")
	f := func(answer string) {
		t.Helper()
		garbled := func(w http.ResponseWriter, _ *http.Request) {
			c, _, err := http.NewResponseController(w).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			fmt.Fprint(c, answer)
			c.Close()
		}
		e, r := newEndpoint(t, garbled), newRig(t)
		container(t, garbled)
		t.Setenv("GCE_METADATA_HOST", strings.TrimPrefix(e.URL, "http://"))
		file, err := r.start().GCPOAuth(upID, "up", serviceAccount(t, e))
		account := factory(t, file, err)
		found, err := r.start().GCPOAuth(upID, "up", nil)
		for _, signers := range []engine.SignerFactory{r.load(r.start(), "", oauth(e, "refresh-0")), account, factory(t, found, err), chain(t, r, "").signers} {
			_, err := call{signers: signers}.do(context.Background(), t)
			refusal(t, err, engine.CodeSignerFailed, "tried again")
		}
	}
	f("planted\r\n\r\n")
	f("HTTP/1.1 planted\r\n\r\n")
	f("HTTP/1.1 200 OK\r\n{\"access_token\":\"planted\"}\r\n\r\n")
	f("HTTP/1.1 200 OK\r\nplanted\r\n\r\n")
	f("HTTP/1.1 200 OK\r\nContent-Length: planted\r\n\r\n")
	f("HTTP/1.1 200 OK\r\nTransfer-Encoding: planted\r\n\r\n")
	f("HTTP/1.1 302 Found\r\nLocation: http://planted/%\r\n\r\n")
	f("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\nplanted")
}
