package main

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"sluice/engine/keys"
	"sluice/proxy/eventstream"
	"sluice/proxy/simulate"
)

// admin is what the admin API answers.
func (l *live) admin(t *testing.T, path string) string {
	t.Helper()
	resp, err := http.Get("http://" + l.listen[1].Addr().String() + path)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestAStreamWithABrokenFrameEndsInAnError(t *testing.T) {
	good := frame(`chunk {"type":"message_start","message":{"id":"m","type":"message","role":"assistant","model":"x","content":[],"usage":{"input_tokens":1,"output_tokens":1}}}`)
	edited := func(at int) []byte {
		b := bytes.Clone(good)
		b[(at+len(b))%len(b)] ^= 1
		return b
	}
	broken := map[string][]byte{
		"the CRC of the head":      edited(8),
		"the length":               edited(3),
		"the payload":              edited(-20),
		"the CRC of the frame":     edited(-1),
		"no frame at all":          []byte("<html>Bad gateway</html>"),
		"no base64":                eventstream.Append(nil, []byte(`{"bytes":"%%"}`), ":event-type", "chunk", ":message-type", "event"),
		"no JSON":                  frame(`chunk <html>Bad gateway</html>`),
		"no bytes":                 eventstream.Append(nil, []byte(`{}`), ":event-type", "chunk", ":message-type", "event"),
		"the end, within a frame":  good[:len(good)/2],
		"a length beyond all that": {0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 0},
	}
	p, err := simulate.Start(simulate.Options{Kind: simulate.KindBedrock, Key: "token"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	l := serveBundled(t, fmt.Sprintf("listen: 127.0.0.1:0\nadmin: {listen: 127.0.0.1:0}\nscripts: ./scripts\ndata: ./data\nbudgets: {time: 10s}\nupstreams:\n"+
		"  - {name: u, kind: bedrock_runtime, region: us-east-1, base_url: %q, signer: {type: bearer, token: token}, breaker: {failures: 1000}}\n"+
		"principals:\n  - {name: p, keys: [%q]}\n", p.URL(), keys.Sum(liveKey+"p")))
	for what, bytes := range broken {
		for _, before := range []string{"", string(good)} {
			p.NextReply(200, []simulate.Header{{Name: "content-type", Value: "application/vnd.amazon.eventstream"}}, before+string(bytes), "")
			resp, got := l.post(t, "p", "/v1/messages", streamQuestion)
			want := `{"type":"error","error":{"type":"api_error","message":"upstream \"u\": the event stream is corrupt: `
			if before == "" { // nothing went out yet
				if resp.StatusCode != 502 || resp.Header.Get("x-sluice-error") != "upstream_unreachable" || !strings.HasPrefix(got, want) {
					t.Errorf("%s: got %d %v %s", what, resp.StatusCode, resp.Header, got)
				}
				continue
			}
			first, got, _ := strings.Cut(got, "\n\n")
			if !strings.HasPrefix(first, "event: message_start\ndata: ") {
				t.Errorf("%s: the frame before it is missing", what)
			}
			if resp.StatusCode != 200 || !strings.HasPrefix(got, "event: error\ndata: "+want) || strings.Count(got, "\n\n") != 1 {
				t.Errorf("%s, behind a frame: got %d %s", what, resp.StatusCode, got)
			}
		}
	}
}

// signerConfig is a gateway's with one upstream, whose credential comes from elsewhere.
func signerConfig(upstream string) string {
	return "listen: 127.0.0.1:0\nadmin: {listen: 127.0.0.1:0}\nscripts: ./scripts\ndata: ./data\nbudgets: {time: 10s}\nupstreams:\n  - " + upstream + "\n" +
		fmt.Sprintf("principals:\n  - {name: p, keys: [%q]}\n", keys.Sum(liveKey+"p"))
}

func TestACredentialThatCannotBeHadIsA502(t *testing.T) {
	p, err := simulate.Start(simulate.Options{Kind: simulate.KindVertex, Key: "token"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	const planted = "planted-secret"
	says := ""
	var mu sync.Mutex
	elsewhere := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		kind := "application/json"
		if strings.HasPrefix(says, "<") {
			kind = "text/html"
		}
		w.Header().Set("content-type", kind)
		w.Header().Set("metadata-flavor", "Google")
		fmt.Fprint(w, says)
	}))
	t.Cleanup(elsewhere.Close)
	account := serviceAccount(t, elsewhere.URL)
	host := strings.TrimPrefix(elsewhere.URL, "http://")
	f := func(what, upstream, answer, told string, env ...string) {
		t.Run(what, func(t *testing.T) {
			for _, name := range []string{"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "AWS_BEARER_TOKEN_BEDROCK", "GOOGLE_APPLICATION_CREDENTIALS"} {
				t.Setenv(name, "")
			}
			t.Setenv("HOME", t.TempDir())
			for i := 0; i < len(env); i += 2 {
				t.Setenv(env[i], env[i+1])
			}
			mu.Lock()
			says = answer
			mu.Unlock()
			l := serveBundled(t, signerConfig(fmt.Sprintf(upstream, p.URL())))
			for range 2 { // the second does not wait for another try
				resp, got := l.post(t, "p", "/v1/messages", plainQuestion)
				if resp.StatusCode != 502 || resp.Header.Get("x-sluice-error") != "signer_failed" || !strings.Contains(got, `"type":"api_error"`) || strings.Contains(got, planted) {
					t.Errorf("got %d %s", resp.StatusCode, got)
				}
			}
			if row := l.admin(t, "/v1/requests"); !strings.Contains(row, `"code": "signer_failed"`) || strings.Contains(row, planted) {
				t.Errorf("the ledger: %s", row)
			}
			if state := l.admin(t, "/v1/upstreams"); !strings.Contains(state, told) || strings.Contains(state, planted) {
				t.Errorf("/v1/upstreams does not tell %q: %s", told, state)
			}
		})
	}
	vertex := "{name: u, kind: vertex, region: global, project: p, base_url: %q, signer: {type: gcp_oauth"
	f("a token endpoint that answers a page", vertex+", credentials_file: "+account+"}}", "<html>"+planted+"</html>", "token")
	f("a metadata server whose token has expired", vertex+"}}", `{"access_token":"`+planted+`","token_type":"Bearer","expires_in":0}`, "google",
		"GCE_METADATA_HOST", host)
	f("a metadata server that answers a page", vertex+"}}", "<html>"+planted+"</html>", "google", "GCE_METADATA_HOST", host)
	bedrock := "{name: u, kind: bedrock_runtime, region: us-east-1, base_url: %q, signer: {type: aws_sigv4}}"
	f("a container whose keys have expired", bedrock, `{"AccessKeyId":"AKID","SecretAccessKey":"`+planted+`","Token":"`+planted+`","Expiration":"2000-01-01T00:00:00Z"}`,
		"expired", "AWS_CONTAINER_CREDENTIALS_FULL_URI", elsewhere.URL, "AWS_EC2_METADATA_DISABLED", "true")
	f("a container that answers a page", bedrock, "<html>"+planted+"</html>", "aws",
		"AWS_CONTAINER_CREDENTIALS_FULL_URI", elsewhere.URL, "AWS_EC2_METADATA_DISABLED", "true")
	f("an instance that answers a page", bedrock, "<html>"+planted+"</html>", "aws", "AWS_EC2_METADATA_SERVICE_ENDPOINT", elsewhere.URL)
}

// The keys that a container is given may be replaced before they expire: AWS then answers 403.
func TestKeysThatAWSRefusesAreAskedForAgain(t *testing.T) {
	p, err := simulate.Start(simulate.Options{Kind: simulate.KindBedrock, Secret: "secret"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	asked := 0
	container := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		secrets := []string{"old", "secret"}
		fmt.Fprintf(w, `{"AccessKeyId":"AKID","SecretAccessKey":%q,"Token":"t","Expiration":"2099-01-01T00:00:00Z"}`, secrets[min(asked, 1)])
		asked++
	}))
	t.Cleanup(container.Close)
	for _, name := range []string{"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "AWS_BEARER_TOKEN_BEDROCK"} {
		t.Setenv(name, "")
	}
	t.Setenv("HOME", t.TempDir())
	t.Setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", container.URL)
	l := serveBundled(t, signerConfig(fmt.Sprintf("{name: u, kind: bedrock_runtime, region: us-east-1, base_url: %q, signer: {type: aws_sigv4}}", p.URL())))
	for range 2 {
		if resp, got := l.post(t, "p", "/v1/messages", plainQuestion); resp.StatusCode != 200 {
			t.Errorf("got %d %s", resp.StatusCode, got)
		}
	}
	if asked != 2 {
		t.Errorf("the container was asked %d times, want twice", asked)
	}
}

// serviceAccount writes a credential file whose token endpoint is at url, and returns its path.
func serviceAccount(t *testing.T, url string) string {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(map[string]string{"type": "service_account", "client_email": "a@example.org", "private_key_id": "1", "token_uri": url,
		"private_key": string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}))})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "account.json")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}
