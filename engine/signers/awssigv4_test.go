package signers_test

import (
	"context"
	"crypto/sha1"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sluice/engine"
	"sluice/engine/signers"
)

// vector is a request and what it is signed with.
type vector struct {
	Name, Method, Target, Host, Service, Region, Time string
	ContentType                                       string `json:"content_type"`
	Body                                              string
	SessionToken                                      string `json:"session_token"`
	Authorization                                     string
	Path                                              string `json:"wire_path"` // in place of Target
	Headers                                           map[string]string
}

func vectors(t *testing.T, file string) []vector {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "testdata", "sigv4", file))
	if err != nil {
		t.Fatal(err)
	}
	var out []vector
	if err := json.Unmarshal(text, &out); err != nil || len(out) < 5 {
		t.Fatalf("%d vectors, %v", len(out), err)
	}
	return out
}

// The published suite is tests/aws-signing-test-suite/v4 of github.com/awslabs/aws-c-auth (Apache-2.0). suite.json has those of its cases
// that apply: the others sign headers that this signer leaves alone, or have paths that no HTTP client sends as they are.
func TestThePublishedSuite(t *testing.T) {
	for _, v := range vectors(t, "suite.json") {
		v.Service, v.Region, v.Time = "service", "us-east-1", "20150830T123600Z"
		signsAs(t, v)
	}
}

// bedrock.json was computed twice: by the AWS SDK for Go, and from the published algorithm. Its paths are those of Bedrock, where a colon
// and an escaped one are signed differently.
func TestBedrockVectors(t *testing.T) {
	for _, v := range vectors(t, "bedrock.json") {
		v.Target, v.Authorization, v.ContentType = v.Path, v.Headers["Authorization"], v.Headers["Content-Type"]
		signsAs(t, v)
	}
}

func signsAs(t *testing.T, v vector) {
	t.Helper()
	at, err := time.Parse("20060102T150405Z", v.Time)
	if err != nil {
		t.Fatal(err)
	}
	a := signers.NewAccounts(signers.Options{Now: func() time.Time { return at }})
	f, err := a.AWSSigV4(signers.AWS{Upstream: upID, Service: v.Service, Region: v.Region, AccessKey: "AKIDEXAMPLE",
		SecretKey: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", SessionToken: v.SessionToken})
	if err != nil {
		t.Fatal(err)
	}
	d := draft{Method: v.Method, URL: "https://" + v.Host + v.Target, Body: []byte(v.Body)}
	if v.ContentType != "" {
		d.Headers.Add("content-type", v.ContentType)
	}
	sent, err := call{signers: f, draft: d}.do(context.Background(), t)
	if err != nil {
		t.Fatal(err)
	}
	s := sent[0]
	if got := header(s, "authorization"); got != v.Authorization {
		t.Errorf("%s:\n got %s\nwant %s", v.Name, got, v.Authorization)
	}
	if header(s, "x-amz-date") != v.Time || header(s, "x-amz-security-token") != v.SessionToken || s.RequestURI() != v.Target {
		t.Errorf("%s sends %s\n%s", v.Name, s.RequestURI(), lines(s))
	}
}

// TestAllOfAQueryIsSigned has a sign that may be escaped and need not: both are signed as the escape.
func TestAllOfAQueryIsSigned(t *testing.T) {
	r := newRig(t)
	f, err := r.start().AWSSigV4(signers.AWS{Upstream: upID, Service: "bedrock", Region: "us-east-1", AccessKey: "A", SecretKey: "S"})
	c := call{signers: factory(t, f, err)}
	signed := func(query string) string {
		c.draft = draft{Method: "POST", URL: "https://bedrock-runtime.us-east-1.amazonaws.com/model/m/invoke?" + query}
		sent, err := c.do(context.Background(), t)
		if err != nil || !strings.HasSuffix(sent[0].RequestURI(), "?"+query) {
			t.Fatalf("sent %v, %v", sent, err)
		}
		return header(sent[0], "authorization")
	}
	for _, query := range []string{"a=%s", "a=1%sb=2&c", "%s"} {
		if plain := strings.ReplaceAll(query, "%s", ";"); signed(plain) != signed(strings.ReplaceAll(query, "%s", "%3B")) {
			t.Errorf("%q is not signed whole", plain)
		}
	}
}

func TestARefusedAttemptIsSignedAnew(t *testing.T) {
	r := newRig(t)
	f, err := r.start().AWSSigV4(signers.AWS{Upstream: upID, Service: "bedrock", Region: "us-east-1", AccessKey: "A", SecretKey: "S"})
	c := call{signers: factory(t, f, err)}
	first, _ := c.do(context.Background(), t)
	r.pass(time.Minute)
	second, _ := c.do(context.Background(), t)
	if header(first[0], "authorization") == header(second[0], "authorization") || header(second[0], "x-amz-date") != "20261122T000100Z" {
		t.Errorf("a minute later it is signed as before:\n%s", lines(second[0]))
	}
}

// alone makes sure that nothing of this machine is in the credential chain.
func alone(t *testing.T) (home string) {
	t.Helper()
	without(t, "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE", "AWS_ROLE_ARN", "AWS_WEB_IDENTITY_TOKEN_FILE",
		"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_CA_BUNDLE", "AWS_BEARER_TOKEN_BEDROCK")
	home = t.TempDir()
	t.Setenv("AWS_CONFIG_FILE", filepath.Join(home, "config"))
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", filepath.Join(home, "credentials"))
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	return home
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// keyID is the access key that a request of the chain is signed with.
func keyID(t *testing.T, c call) string {
	t.Helper()
	sent, err := c.do(context.Background(), t)
	if err != nil {
		t.Fatal(err)
	}
	_, after, _ := strings.Cut(header(sent[len(sent)-1], "authorization"), "Credential=")
	id, _, _ := strings.Cut(after, "/")
	return id
}

func chain(t *testing.T, r *rig, profile string) call {
	t.Helper()
	f, err := r.start().AWSSigV4(signers.AWS{Upstream: upID, Service: "bedrock", Region: "us-east-1", Profile: profile})
	return call{signers: factory(t, f, err)}
}

func TestTheChainFindsKeysInTheEnvironment(t *testing.T) {
	alone(t)
	t.Setenv("AWS_ACCESS_KEY_ID", "AKIDENV")
	t.Setenv("AWS_SECRET_ACCESS_KEY", ours)
	t.Setenv("AWS_SESSION_TOKEN", "session")
	c := chain(t, newRig(t), "")
	if got := keyID(t, c); got != "AKIDENV" {
		t.Errorf("signed with %s", got)
	}
	tellsNothing(t, c.signers)
}

func TestTheChainReadsAProfileAgainWhenItWasRewritten(t *testing.T) {
	home := alone(t)
	profile := func(id string) {
		write(t, filepath.Join(home, "credentials"), "[team]\naws_access_key_id = "+id+"\naws_secret_access_key = "+ours+"\n")
	}
	profile("AKIDONE")
	r := newRig(t)
	c := chain(t, r, "team")
	if got := keyID(t, c); got != "AKIDONE" {
		t.Errorf("signed with %s", got)
	}
	profile("AKIDTWO")
	r.pass(40 * time.Second)
	c.answer = func(attempt int, _ engine.Signed) int { return map[int]int{1: 401, 2: 200}[attempt] }
	if got := keyID(t, c); got != "AKIDTWO" {
		t.Errorf("after a 401: signed with %s", got)
	}
}

// Who writes the file mostly does so when its keys have expired, or a little later.
func TestRefusedKeysOfAProfileMayBeRewrittenSoon(t *testing.T) {
	home := alone(t)
	write(t, filepath.Join(home, "credentials"), "[team]\naws_access_key_id = AKIDONE\naws_secret_access_key = "+ours+"\n")
	r := newRig(t)
	f := chain(t, r, "team").signers
	for range 2 {
		signer, err := f.Build(context.Background(), nil)
		if err != nil {
			t.Fatal(err)
		}
		if got, want := signer.OnUnauthorized(context.Background(), nil), engine.FailUntil(r.Now().Add(time.Minute)); got != want {
			t.Errorf("got %+v, want %+v", got, want)
		}
	}
}

func TestAProfileThatIsNotThereIsToldByName(t *testing.T) {
	alone(t)
	_, err := chain(t, newRig(t), "teem").do(context.Background(), t)
	refusal(t, err, engine.CodeSignerFailed, "failed to get shared config profile, teem")
}

func TestAProfileOfHalfACredentialIsToldInOneLine(t *testing.T) {
	home := alone(t)
	write(t, filepath.Join(home, "credentials"), "[team]\naws_access_key_id = AKIDHALF\n")
	r := newRig(t)
	c := chain(t, r, "team")
	_, err := c.do(context.Background(), t)
	refusal(t, err, engine.CodeSignerFailed, "partial credentials found for profile team; tried again")
	if told := state(c.signers).Error; told == "" || strings.ContainsAny(told, "\r\n") || strings.TrimSpace(told) != told {
		t.Errorf("the state tells %q, want one line", told)
	}
	if told := r.warnings(); strings.Contains(told, "\n") || !strings.HasSuffix(told, state(c.signers).Error) {
		t.Errorf("told %q, want one line", told)
	}
}

func TestWhatAProcessAnswersIsToldNobody(t *testing.T) {
	home := alone(t)
	output := filepath.Join(home, "output")
	write(t, filepath.Join(home, "config"), "[profile team]\ncredential_process = cat "+output+"\n")
	f := func(text, want string) {
		t.Helper()
		write(t, output, text)
		_, err := chain(t, newRig(t), "team").do(context.Background(), t)
		refusal(t, err, engine.CodeSignerFailed, want+"; tried again")
	}
	const keys = `{"Version":1,"AccessKeyId":"planted","SecretAccessKey":"planted","Expiration":`
	f(keys+`"soon"}`, "aws: failed to refresh cached credentials, process provider error: parse failed of process output")
	f(keys+`1767225600}`, "parse failed of process output")
	f(keys, "aws: the credential service answered what is no credential")
	f("planted", "aws: the credential service answered what is no credential")
}

// container answers keys as the agent of a container does.
func container(t *testing.T, answer http.HandlerFunc) {
	t.Helper()
	s := httptest.NewServer(answer)
	t.Cleanup(s.Close)
	t.Setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", s.URL+"/v2/credentials")
}

func TestTheChainAsksTheContainersAgent(t *testing.T) {
	alone(t)
	container(t, says(200, "application/json", `{"AccessKeyId":"AKIDBOX","SecretAccessKey":"`+ours+`","Token":"session","Expiration":"2099-01-01T00:00:00Z"}`))
	if got := keyID(t, chain(t, newRig(t), "")); got != "AKIDBOX" {
		t.Errorf("signed with %s", got)
	}
}

// TestKeysOfTheContainersAgentServeToTheirEnd: the SDK would take them for expired five minutes before.
func TestKeysOfTheContainersAgentServeToTheirEnd(t *testing.T) {
	alone(t)
	r := newRig(t)
	end := r.Now().Add(4 * time.Minute).UTC().Format(time.RFC3339)
	agent := newEndpoint(t, says(200, "application/json", `{"AccessKeyId":"AKIDBOX","SecretAccessKey":"`+ours+`","Token":"session","Expiration":"`+end+`"}`),
		says(400, "application/json", `{"code":"Gone","message":"planted"}`))
	t.Setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", agent.URL)
	f := chain(t, r, "")
	f.do(context.Background(), t)
	r.pass(3*time.Minute + 50*time.Second)
	if got := keyID(t, f); got != "AKIDBOX" {
		t.Errorf("signed with %s", got)
	}
	r.pass(11 * time.Second)
	_, err := f.do(context.Background(), t)
	refusal(t, err, engine.CodeSignerFailed, "aws: the credential service answered 400 Gone")
}

func TestTheChainAsksTheInstance(t *testing.T) {
	alone(t)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Aws-Ec2-Metadata-Token-Ttl-Seconds", "300")
		switch {
		case strings.HasSuffix(r.URL.Path, "/api/token"):
			w.Write([]byte("t"))
		case strings.HasSuffix(r.URL.Path, "/role"):
			says(200, "application/json", `{"Code":"Success","AccessKeyId":"AKIDBARE","SecretAccessKey":"`+ours+`","Token":"session","Expiration":"2099-01-01T00:00:00Z"}`)(w, r)
		case strings.Contains(r.URL.Path, "/security-credentials"):
			w.Write([]byte("role"))
		default:
			w.WriteHeader(404)
		}
	}))
	t.Cleanup(s.Close)
	without(t, "AWS_EC2_METADATA_DISABLED")
	t.Setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", s.URL)
	if got := keyID(t, chain(t, newRig(t), "")); got != "AKIDBARE" {
		t.Errorf("signed with %s", got)
	}
}

func TestTheChainSignsInBySSO(t *testing.T) {
	home := alone(t)
	t.Setenv("HOME", home)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Amz-Sso_bearer_token") != "planted-sso" || r.URL.Query().Get("role_name") != "dev" {
			w.WriteHeader(401)
			return
		}
		says(200, "application/json", `{"roleCredentials":{"accessKeyId":"AKIDSSO","secretAccessKey":"`+ours+`","sessionToken":"s","expiration":4070908800000}}`)(w, r)
	}))
	t.Cleanup(s.Close)
	t.Setenv("AWS_ENDPOINT_URL_SSO", s.URL)
	const start = "https://team.awsapps.com/start"
	write(t, filepath.Join(home, "config"), "[profile team]\nsso_start_url = "+start+
		"\nsso_region = us-east-1\nsso_account_id = 123456789012\nsso_role_name = dev\n")
	cache := filepath.Join(home, ".aws", "sso", "cache")
	if err := os.MkdirAll(cache, 0o700); err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(cache, fmt.Sprintf("%x.json", sha1.Sum([]byte(start))))
	write(t, name, `{"accessToken":"planted-sso","expiresAt":"2099-01-01T00:00:00Z"}`)
	if got := keyID(t, chain(t, newRig(t), "team")); got != "AKIDSSO" {
		t.Errorf("signed with %s", got)
	}
	write(t, name, `{"accessToken":"planted-old","expiresAt":"2020-01-01T00:00:00Z"}`)
	_, err := chain(t, newRig(t), "team").do(context.Background(), t)
	refusal(t, err, engine.CodeSignerFailed, "aws: ")
}

func TestAChainWithoutKeysIsAskedOnceAWhile(t *testing.T) {
	alone(t)
	asked := 0
	container(t, func(w http.ResponseWriter, r *http.Request) {
		asked++
		says(403, "text/html", "<html>planted")(w, r)
	})
	r := newRig(t)
	c := chain(t, r, "")
	for range 3 {
		_, err := c.do(context.Background(), t)
		refusal(t, err, engine.CodeSignerFailed, "aws: the credential service answered 403")
	}
	if asked != 1 || !strings.Contains(state(c.signers).Error, "aws: ") {
		t.Errorf("the agent was asked %d times, state %+v", asked, state(c.signers))
	}
}

func TestABearerTokenIsForBedrockWithoutKeysOfItsOwn(t *testing.T) {
	alone(t)
	f := func(c signers.AWS, bearer bool) {
		t.Helper()
		c.Upstream, c.Region, c.BearerToken = upID, "us-east-1", "bedrock-token"
		s, err := newRig(t).start().AWSSigV4(c)
		sent, err := send(t, factory(t, s, err), engine.Credential{}, 200)
		if got := err == nil && header(sent[0], "authorization") == "Bearer bedrock-token"; got != bearer {
			t.Errorf("%s with keys %v: bearer %v, want %v", c.Service, c.AccessKey != "", got, bearer)
		}
	}
	f(signers.AWS{Service: "bedrock"}, true)
	f(signers.AWS{Service: "bedrock-mantle"}, true)
	f(signers.AWS{Service: "aws-external-anthropic"}, false)
	f(signers.AWS{Service: "bedrock", AccessKey: "A", SecretKey: "S"}, false)
	f(signers.AWS{Service: "bedrock", Profile: "p"}, false)
}

// Signing is a digest of the body and little more.
func BenchmarkSignV4(b *testing.B) {
	a := signers.NewAccounts(signers.Options{})
	f, err := a.AWSSigV4(signers.AWS{Upstream: upID, Service: "bedrock", Region: "us-east-1", AccessKey: "A", SecretKey: "S"})
	if err != nil {
		b.Fatal(err)
	}
	c := call{signers: f, draft: draft{Method: "POST", URL: "https://bedrock-runtime.us-east-1.amazonaws.com/model/m/invoke", Body: make([]byte, 200<<10)}}
	b.SetBytes(200 << 10)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.do(context.Background(), b); err != nil {
			b.Fatal(err)
		}
	}
}
