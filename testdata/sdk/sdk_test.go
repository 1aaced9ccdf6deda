// Package sdk asks the gateway with the official Anthropic SDKs, both of their major versions. It is a module of its own, so that they
// stay out of the product's.
package sdk

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

type question struct {
	text                    string
	stream, tools, thinking bool
}

// kinds are the upstreams that answer, the API itself first: what it says is what every other must say.
// OpenAI's is the last.
var kinds = []struct{ name, simulate, upstream string }{
	{"anthropic", "anthropic", "kind: anthropic_direct, signer: {type: anthropic_key, key: token}"},
	{"bedrock", "bedrock", "kind: bedrock_runtime, region: us-east-1, signer: {type: aws_sigv4, access_key: AKIDEXAMPLE, secret_key: secret}"},
	{"mantle", "mantle", "kind: bedrock_mantle, region: us-east-1, signer: {type: bearer, token: token}"},
	{"vertex", "vertex", "kind: vertex, region: global, project: p, signer: {type: bearer, token: token}"},
	{"openai", "openai", "kind: custom, dialect: dialects/openai.star, signer: {type: bearer, token: token}"},
}

// client is a way to ask, the same for every kind.
type client struct {
	name  string
	ask   func(ctx context.Context, url, key string, q question) (string, error)
	count func(ctx context.Context, url, key string, q question) (int64, error)
}

var clients = []client{{"v1", askV1, countV1}, {"v2", askV2, countV2}}

func TestEveryKindAnswersTheSDKsAsTheAPIDoes(t *testing.T) {
	binary := build(t)
	for _, c := range clients {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			url := serve(t, binary)
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			for _, text := range []string{"hello", "use the tool", "use the tools", "a \"quote\", é and 日本"} {
				for i := range 8 {
					q := question{text, i&1 > 0, i&2 > 0, i&4 > 0}
					compare(ctx, t, c, url, q)
				}
			}
			for _, name := range []string{"anthropic", "vertex"} {
				if n, err := c.count(ctx, url, keyOf(name), question{text: "hello"}); err != nil || n == 0 {
					t.Errorf("%s: %d tokens, %v", name, n, err)
				}
			}
			if _, err := c.count(ctx, url, keyOf("bedrock"), question{text: "hello"}); err == nil || !strings.Contains(err.Error(), "404") {
				t.Errorf("bedrock counts tokens: %v", err)
			}
		})
	}
}

func compare(ctx context.Context, t *testing.T, c client, url string, q question) {
	t.Helper()
	want := ""
	for _, k := range kinds {
		got, err := c.ask(ctx, url, keyOf(k.name), q)
		if err != nil {
			t.Errorf("%s, %+v: %v", k.name, q, err)
			continue
		}
		if want == "" {
			want = got
		}
		if k.name == "openai" { // it has ids and counts of its own, and thinks only where its model does
			if q.thinking {
				continue
			}
			got, want = itsOwn.ReplaceAllString(got, ""), itsOwn.ReplaceAllString(want, "")
		}
		if got != want {
			t.Errorf("%s, %+v: got %s\nwant %s", k.name, q, got, want)
		}
	}
	for _, part := range parts(q) {
		if !strings.Contains(want, part) {
			t.Errorf("%+v: %q is not in %s", q, part, want)
		}
	}
}

var itsOwn = regexp.MustCompile(`(msg|toolu|call)_[^"]*|,[0-9]+,[0-9]+,`)

// parts are what the answer to a question cannot lack.
func parts(q question) []string {
	out := []string{`"I am sim`}
	if q.tools && strings.HasPrefix(q.text, "use") {
		out = append(out, `"tool_use"`, `"weather"`)
	}
	if q.tools && q.text == "use the tools" {
		out = append(out, `"clock"`)
	}
	if q.thinking {
		out = append(out, `"signature":"`)
	}
	return out
}

func keyOf(name string) string { return "sk-sluice-" + name }

// build makes the gateway's binary.
func build(t *testing.T) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "sluice")
	cmd := exec.Command("go", "build", "-buildvcs=false", "-o", binary, "./cmd/sluice")
	cmd.Dir = "../.."
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return binary
}

// serve runs a gateway before a simulated provider of each kind, and returns its URL. A key reaches the kind of its name.
func serve(t *testing.T, binary string) string {
	t.Helper()
	upstreams, principals := "", ""
	for _, k := range kinds {
		url := start(t, binary, "simulate", "--kind", k.simulate, "--listen", "127.0.0.1:0")
		sum := sha256.Sum256([]byte(keyOf(k.name)))
		upstreams += fmt.Sprintf("  - {name: %s, %s, base_url: %q}\n", k.name, k.upstream, url)
		principals += fmt.Sprintf("  - {name: %s, keys: [\"sha256:%s\"], upstreams: [%s]}\n", k.name, hex.EncodeToString(sum[:]), k.name)
	}
	dir := t.TempDir()
	config := filepath.Join(dir, "sluice.yaml")
	text := "listen: 127.0.0.1:0\nadmin: {listen: 127.0.0.1:0}\ndata: " + dir + "/data\nscripts: " + scripts(t) + "\nbudgets: {time: 10s}\nupstreams:\n" + upstreams + "principals:\n" + principals
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return start(t, binary, "serve", "--config", config)
}

func scripts(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs("../../scripts")
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

var address = regexp.MustCompile(`http://127\.0\.0\.1:[0-9]+`)

// start runs a command until the test ends, and returns the first address that it prints.
func start(t *testing.T, binary string, args ...string) string {
	t.Helper()
	cmd := exec.Command(binary, args...)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	url, lines := "", bufio.NewScanner(out)
	for lines.Scan() {
		if found := address.FindString(lines.Text()); found != "" && url == "" {
			url = found
		}
		if lines.Text() == "ready" || args[0] == "simulate" {
			go io.Copy(io.Discard, out)
			return url
		}
	}
	t.Fatalf("%v ended: %v", args, lines.Err())
	return ""
}
