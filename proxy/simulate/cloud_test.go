package simulate_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"sluice/proxy/simulate"
)

// signs asks a provider with a request that AWS's own signer signed for a service.
func signs(t *testing.T, p *simulate.Provider, service, secret, path, body string) int {
	t.Helper()
	req, err := http.NewRequest("POST", p.URL()+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("content-type", "application/json")
	req.Header.Set("anthropic-version", "2023-06-01")
	req.Header.Set("anthropic-workspace-id", "w")
	sum := sha256.Sum256([]byte(body))
	keys := aws.Credentials{AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: secret}
	if err := v4.NewSigner().SignHTTP(context.Background(), keys, req, hex.EncodeToString(sum[:]), service, "us-east-1", time.Now()); err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if text, err := io.ReadAll(resp.Body); err != nil || resp.StatusCode == 200 && !bytes.Contains(text, []byte(`"type":"message"`)) {
		t.Errorf("%s: got %s, %v", path, text, err)
	}
	return resp.StatusCode
}

func TestEachKindOfAWSWantsASignatureForItsOwnService(t *testing.T) {
	t.Parallel()
	const messages = `"max_tokens":9,"messages":[{"role":"user","content":"hi"}]`
	kinds := map[string]struct{ service, path, body string }{
		simulate.KindBedrock:   {"bedrock", "/model/anthropic.claude-x-v1%3A0/invoke", `{"anthropic_version":"bedrock-2023-05-31",` + messages + `}`},
		simulate.KindMantle:    {"bedrock-mantle", "/anthropic/v1/messages", `{"model":"anthropic.claude-x",` + messages + `}`},
		simulate.KindAnthropic: {"aws-external-anthropic", "/v1/messages", `{"model":"claude-x",` + messages + `}`},
	}
	for kind, its := range kinds {
		p := start(t, simulate.Options{Kind: kind, Secret: "secret"})
		for _, other := range kinds {
			want := 403
			if other.service == its.service {
				want = 200
			}
			if got := signs(t, p, other.service, "secret", its.path, its.body); got != want {
				t.Errorf("%s, signed for %s: got %d, want %d", kind, other.service, got, want)
			}
		}
		if got := signs(t, p, its.service, "another", its.path, its.body); got != 403 {
			t.Errorf("%s, signed with another secret: got %d", kind, got)
		}
	}
}

func TestMantleServesMessagesAloneAndIDsOfItsOwn(t *testing.T) {
	t.Parallel()
	p := start(t, simulate.Options{Kind: simulate.KindMantle, Key: "k"})
	f := func(path, model, key string, status int, want string) {
		t.Helper()
		body := `{"model":"` + model + `","max_tokens":9,"stream":true,"messages":[{"role":"user","content":"hi"}]}`
		resp, out := do(t, p, "POST", path, body, "x-api-key:", "Authorization: Bearer "+key)
		if resp.StatusCode != status || !strings.Contains(out, want) {
			t.Errorf("%s, %s: got %d %s", path, model, resp.StatusCode, out)
		}
	}
	f("/anthropic/v1/messages", "anthropic.claude-opus-5", "k", 200, "event: message_start\ndata: ")
	f("/anthropic/v1/messages", "anthropic.claude-opus-5", "another", 403, `{"message":`)
	f("/anthropic/v1/messages", "claude-opus-5", "k", 400, `claude-opus-5`)
	f("/anthropic/v1/messages", "us.anthropic.claude-opus-5", "k", 400, "is not served here")
	f("/anthropic/v1/messages", "anthropic.claude-sonnet-4-5-20250929-v1:0", "k", 400, "is not served here")
	f("/anthropic/v1/messages/count_tokens", "anthropic.claude-opus-5", "k", 404, "Not Found")
	f("/v1/messages", "anthropic.claude-opus-5", "k", 404, "Not Found")
}
