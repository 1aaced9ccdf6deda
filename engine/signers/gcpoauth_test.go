package signers_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"sluice/engine"
)

var accountKey = sync.OnceValue(func() string {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		panic(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
})

// serviceAccount is the file of an account whose tokens come from e.
func serviceAccount(t testing.TB, e *endpoint) []byte {
	t.Helper()
	text, err := json.Marshal(map[string]string{"type": "service_account", "project_id": "p", "private_key_id": "k", "private_key": accountKey(),
		"client_email": "sluice@p.iam.gserviceaccount.com", "token_uri": e.URL})
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestAServiceAccountObtainsATokenAndANewOneAfterA401(t *testing.T) {
	r := newRig(t)
	e := newEndpoint(t, gives("access-1", "", 3600), gives("access-2", "", 3600))
	r.clock.now = time.Now() // the library's clock cannot be set
	s, err := r.start().GCPOAuth(upID, "up", serviceAccount(t, e))
	f := factory(t, s, err)
	if got := r.token(f); got != "access-1" {
		t.Errorf("got %s", got)
	}
	form, err := url.ParseQuery(e.asked[0]["raw"])
	if err != nil || form.Get("grant_type") != "urn:ietf:params:oauth:grant-type:jwt-bearer" || strings.Count(form.Get("assertion"), ".") != 2 {
		t.Errorf("the endpoint was sent %v, %v", form, err)
	}
	if got := r.token(f); got != "access-1" || e.calls() != 1 {
		t.Errorf("the second request: %s after %d calls", got, e.calls())
	}
	late, err := f.Build(context.Background(), nil)
	if err != nil {
		t.Fatal(err)
	}
	r.pass(time.Minute)
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			_, err := call{signers: f, answer: func(_ int, s engine.Signed) int {
				if header(s, "authorization") == "Bearer access-1" {
					return 401
				}
				return 200
			}}.do(context.Background(), t)
			if err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if e.calls() != 2 {
		t.Errorf("20 refused requests led to %d new tokens, want one", e.calls()-1)
	}
	if d := late.OnUnauthorized(context.Background(), &engine.UpstreamError{Status: 401}); d.Refreshed == nil || e.calls() != 2 {
		t.Errorf("one that was refused late led to %d new tokens, %v", e.calls()-1, d)
	}
}

func TestAUsersCredentialNamesTheProjectItCountsAgainst(t *testing.T) {
	r := newRig(t)
	r.clock.now = time.Now()
	e := newEndpoint(t, gives("access-1", "", 3600))
	file := `{"type":"authorized_user","client_id":"c","client_secret":"planted","refresh_token":"planted","token_uri":"` + e.URL + `","quota_project_id":"billed"}`
	s, err := r.start().GCPOAuth(upID, "up", []byte(file))
	sent, err := send(t, factory(t, s, err), engine.Credential{}, 200)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := lines(sent[0]), "authorization: Bearer access-1\nx-goog-user-project: billed"; got != want {
		t.Errorf("sends\n%s\nwant\n%s", got, want)
	}
	if form, _ := url.ParseQuery(e.asked[0]["raw"]); form.Get("grant_type") != "refresh_token" {
		t.Errorf("the endpoint was sent %v", form)
	}
}

func TestWhatGoogleMayAnswer(t *testing.T) {
	f := func(answer http.HandlerFunc, want string) {
		t.Helper()
		s, err := newRig(t).start().GCPOAuth(upID, "up", serviceAccount(t, newEndpoint(t, answer)))
		_, err = send(t, factory(t, s, err), engine.Credential{}, 200)
		refusal(t, err, engine.CodeSignerFailed, want)
	}
	f(says(400, "application/json", `{"error":"invalid_scope","error_description":"planted"}`), "google: the token endpoint answered 400 invalid_scope")
	f(says(503, "text/html", "<html>planted"), "google: the token endpoint answered 503 with text/html")
	f(says(200, "text/html", "<html>planted"), "google: ")
	f(says(200, "application/json", `{"expires_in":3600}`), "no usable access_token")
}

// Google answers invalid_grant to a clock that is wrong, and for an account that is disabled. Both pass.
func TestAServiceAccountThatIsRefusedIsTriedAgain(t *testing.T) {
	r := newRig(t)
	r.clock.now = time.Now()
	s, err := r.start().GCPOAuth(upID, "up", serviceAccount(t, newEndpoint(t, invalidGrant, gives("access-1", "", 3600))))
	f := factory(t, s, err)
	_, err = send(t, f, engine.Credential{}, 200)
	refusal(t, err, engine.CodeSignerFailed, "google: the token endpoint answered 400 invalid_grant; tried again from ")
	r.pass(time.Minute)
	if got := r.token(f); got != "access-1" {
		t.Errorf("got %s", got)
	}
}

// metadataServer is one on loopback, found as Google's libraries find it.
func metadataServer(t *testing.T, token http.HandlerFunc) {
	t.Helper()
	without(t, "GOOGLE_APPLICATION_CREDENTIALS")
	t.Setenv("HOME", t.TempDir()) // no file of gcloud
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Metadata-Flavor", "Google")
		switch {
		case r.Header.Get("Metadata-Flavor") != "Google":
			w.WriteHeader(403)
		case strings.HasSuffix(r.URL.Path, "/service-accounts/default/token"):
			if got := r.URL.Query().Get("scopes"); got != "https://www.googleapis.com/auth/cloud-platform" {
				t.Errorf("asked for scopes %q", got)
			}
			token(w, r)
		default:
			w.Write([]byte("p"))
		}
	}))
	t.Cleanup(s.Close)
	t.Setenv("GCE_METADATA_HOST", strings.TrimPrefix(s.URL, "http://"))
}

func TestTheMetadataServerGivesTokens(t *testing.T) {
	r := newRig(t)
	r.clock.now = time.Now()
	metadataServer(t, gives("access-1", "", 3600))
	s, err := r.start().GCPOAuth(upID, "up", nil)
	if got := r.token(factory(t, s, err)); got != "access-1" {
		t.Errorf("got %s", got)
	}
}

func TestAMetadataServerThatHasNothingToGiveIsToldAtOnce(t *testing.T) {
	f := func(answer http.HandlerFunc, want string) {
		t.Helper()
		r := newRig(t)
		r.clock.now = time.Now()
		metadataServer(t, answer)
		s, err := r.start().GCPOAuth(upID, "up", nil)
		_, err = send(t, factory(t, s, err), engine.Credential{}, 200)
		refusal(t, err, engine.CodeSignerFailed, want)
	}
	f(gives("access-planted", "", -10), "what was obtained has expired already")
	f(says(200, "text/html", "<html>planted"), "google: the metadata server answered what is no token")
	f(says(404, "text/html", "planted"), "google: ")
	f(says(403, "text/html", "planted"), "google: the metadata server answered 403")
	f(gives("", "", 3600), "google: the metadata server answered what is no token")
}

// Google's library looks once in the life of a process: the test has one to itself.
func TestAMetadataServerThatComesUpLaterIsFound(t *testing.T) {
	const alone = "SLUICE_TEST_ALONE"
	if os.Getenv(alone) == "" {
		cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$")
		cmd.Env = append(os.Environ(), alone+"=1", "GCE_METADATA_HOST=", "GOOGLE_APPLICATION_CREDENTIALS=", "HOME="+t.TempDir())
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		return
	}
	r := newRig(t)
	r.clock.now = time.Now()
	s, err := r.start().GCPOAuth(upID, "up", nil)
	f := factory(t, s, err)
	if _, err := send(t, f, engine.Credential{}, 200); err == nil {
		return // there is a real one: this is a machine of Google's
	}
	metadataServer(t, gives("access-1", "", 3600))
	r.pass(time.Minute)
	if got := r.token(f); got != "access-1" {
		t.Errorf("got %s", got)
	}
}

func TestNoGoogleCredentialsAtAllIsToldByName(t *testing.T) {
	metadataServer(t, nil) // or the library would look for a real one
	t.Setenv("GOOGLE_APPLICATION_CREDENTIALS", "/nowhere/planted.json")
	s, err := newRig(t).start().GCPOAuth(upID, "up", nil)
	_, err = send(t, factory(t, s, err), engine.Credential{}, 200)
	if err == nil || !strings.Contains(err.Error(), "GOOGLE_APPLICATION_CREDENTIALS") {
		t.Errorf("got %v", err)
	}
}

// TestAFederatedAccountTellsNothingThatItWasAnswered: its errors have no type, and the library repeats in them what it was told.
func TestAFederatedAccountTellsNothingThatItWasAnswered(t *testing.T) {
	t.Setenv("GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES", "1")
	subject := filepath.Join(t.TempDir(), "subject")
	write(t, subject, "planted")
	f := func(answer http.HandlerFunc, file, want string) {
		t.Helper()
		e := newEndpoint(t, answer)
		s, err := newRig(t).start().GCPOAuth(upID, "up", []byte(strings.ReplaceAll(file, "URL", e.URL)))
		_, err = send(t, factory(t, s, err), engine.Credential{}, 200)
		refusal(t, err, engine.CodeSignerFailed, want)
	}
	federated := func(source string) string {
		return `{"type":"external_account","audience":"a","subject_token_type":"urn:ietf:params:oauth:token-type:jwt","token_url":"URL","credential_source":` +
			strings.ReplaceAll(source, "FILE", subject) + `}`
	}
	const impersonated = `{"type":"impersonated_service_account","service_account_impersonation_url":"URL/x:generateAccessToken",
		"source_credentials":{"type":"authorized_user","client_id":"c","client_secret":"planted","refresh_token":"planted","token_uri":"URL"}}`
	page := says(400, "text/html", "<html>planted")
	f(page, federated(`{"file":"FILE"}`), "google: oauth2/google: status code 400; tried again")
	f(page, federated(`{"url":"URL"}`), "google: oauth2/google/externalaccount: status code 400; tried again")
	f(page, federated(`{"executable":{"command":"cat FILE","timeout_millis":5000}}`), "google: oauth2/google/externalaccount: unable to parse response; tried")
	f(page, impersonated, ": oauth2: cannot fetch token: 400; tried again")
	f(says(400, "application/json", `{"error":"invalid_grant","error_description":"planted"}`), impersonated, `: oauth2: "invalid_grant"; tried again`)
	f(says(400, "application/json", `{"error":"planted 1"}`), impersonated, ": oauth2: ")
	f(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/" {
			gives("planted", "", 3600)(w, r)
			return
		}
		page(w, r)
	}, impersonated, "google: oauth2/google: status code 400; tried again")
}
