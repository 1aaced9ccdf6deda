package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sluice/engine/keys"
	"sluice/proxy/simulate"
	"sluice/scripts"
)

// cloud is a kind of upstream, the provider behind it and what that calls the model.
type cloud struct{ kind, provider, dialect, where, model string }

var clouds = []cloud{
	{"anthropic_direct", simulate.KindAnthropic, "anthropic", "", "claude-sonnet-4-5"},
	{"bedrock_runtime", simulate.KindBedrock, "bedrock", "region: us-east-1, ", "anthropic.claude-sonnet-4-5-20250929-v1:0"},
	{"bedrock_mantle", simulate.KindMantle, "bedrock_mantle", "region: us-east-1, ", "anthropic.claude-sonnet-4-5"},
	{"vertex", simulate.KindVertex, "vertex", "region: global, project: p, ", "claude-sonnet-4-5@20250929"},
}

// startClouds serves with an upstream of every kind, once with its default dialect and once with that in Lua. The principal of the
// same name, whose key ends in it, reaches nothing else. Every provider has the fault.
func startClouds(t *testing.T, fault string) *live {
	t.Helper()
	dir := t.TempDir()
	l := &live{scripts: filepath.Join(dir, "scripts"), client: &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{}}}
	if err := os.CopyFS(l.scripts, scripts.FS); err != nil {
		t.Fatal(err)
	}
	text := "listen: 127.0.0.1:0\nadmin: {listen: 127.0.0.1:0}\nscripts: ./scripts\ndata: ./data\nbudgets: {time: 10s}\nupstreams:\n"
	principals := "principals:\n"
	for i := range clouds {
		c := &clouds[i]
		for _, lua := range []string{"", "-lua"} {
			p, err := simulate.Start(simulate.Options{Kind: c.provider, Fault: fault, Key: "token", Keep: -1})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { p.Close() })
			dialect := ""
			if lua != "" {
				dialect = "dialect: dialects/" + c.dialect + ".lua, "
			}
			name := c.kind + lua
			text += fmt.Sprintf("  - {name: %s, kind: %s, %s%sbase_url: %q, signer: {type: bearer, token: token}}\n", name, c.kind, c.where, dialect, p.URL())
			principals += fmt.Sprintf("  - {name: %s, keys: [%q], upstreams: [%s]}\n", name, keys.Sum(liveKey+name), name)
		}
	}
	config := filepath.Join(dir, "sluice.yaml")
	if err := os.WriteFile(config, []byte(text+principals), 0o644); err != nil {
		t.Fatal(err)
	}
	l.serve(t, newBuilder(config), io.Discard)
	return l
}

// eachCloud calls f for each upstream.
func eachCloud(f func(c *cloud, name string)) {
	for i := range clouds {
		f(&clouds[i], clouds[i].kind)
		f(&clouds[i], clouds[i].kind+"-lua")
	}
}

func (l *live) post(t *testing.T, principal, path, body string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequest("POST", "http://"+l.listen[0].Addr().String()+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("x-api-key", liveKey+principal)
	req.Header.Set("anthropic-version", "2023-06-01")
	req.Header.Set("anthropic-beta", "claude-code-20250219,interleaved-thinking-2025-05-14,advanced-tool-use-2025-11-20")
	resp, err := l.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(b)
}

const (
	plainQuestion  = `{"model":"claude-sonnet-4-5","max_tokens":99,"messages":[{"role":"user","content":"hello"}]}`
	streamQuestion = `{"model":"claude-sonnet-4-5","max_tokens":99,"stream":true,"messages":[{"role":"user","content":"hello"}]}`
)

// questions are what a client asks of every kind alike.
var questions = []string{
	plainQuestion,
	streamQuestion,
	`{"model":"claude-sonnet-4-5","max_tokens":99,"stream":true,"thinking":{"type":"enabled","budget_tokens":50},"messages":[{"role":"user","content":"hello"}]}`,
	`{"model":"claude-sonnet-4-5","max_tokens":99,"stream":true,"context_management":{},"messages":[{"role":"user","content":"use the tools"}],` +
		`"tools":[{"name":"a","input_schema":{"type":"object","required":["x"],"properties":{"x":{"type":"string"}}}},{"name":"b","input_schema":{"type":"object"}}]}`,
}

func TestEveryKindAnswersAsTheAPIDoes(t *testing.T) {
	l := startClouds(t, "")
	for _, question := range questions {
		want := ""
		eachCloud(func(c *cloud, name string) {
			_, got := l.post(t, name, "/v1/messages", question)
			got = strings.ReplaceAll(got, `"`+c.model+`"`, `"claude-sonnet-4-5"`)
			got = strings.ReplaceAll(got, `,"amazon-bedrock-invocationMetrics":{"inputTokenCount":1,"outputTokenCount":1}`, "")
			got = strings.ReplaceAll(got, "event: ping\ndata: {\"type\":\"ping\"}\n\n", "")
			if want == "" {
				want = got
			}
			if got != want || !strings.Contains(got, "claude-sonnet-4-5") {
				t.Errorf("%s, %s: got %s\nwant %s", name, question, got, want)
			}
		})
	}
	eachCloud(func(c *cloud, name string) {
		resp, got := l.post(t, name, "/v1/messages/count_tokens", plainQuestion)
		counts := c.kind == "anthropic_direct" || c.kind == "vertex"
		if counts != (resp.StatusCode == 200) || counts != strings.Contains(got, "input_tokens") {
			t.Errorf("%s counts: got %d %s", name, resp.StatusCode, got)
		}
	})
	resp, got := l.post(t, "bedrock_runtime", "/v1/messages", strings.Replace(plainQuestion, "sonnet-4-5", "unheard-of", 1))
	if resp.StatusCode != 502 || resp.Header.Get("x-sluice-error") != "dialect_failed" {
		t.Errorf("a model without an id: got %d %s", resp.StatusCode, got)
	}
}

func TestEveryKindFailsAsTheAPIDoes(t *testing.T) {
	f := func(fault, question string, check func(status int, body string) bool) {
		t.Helper()
		l := startClouds(t, fault)
		eachCloud(func(_ *cloud, name string) {
			if resp, got := l.post(t, name, "/v1/messages", question); !check(resp.StatusCode, got) {
				t.Errorf("%s, %s: got %d %s", fault, name, resp.StatusCode, got)
			}
		})
	}
	f("529", plainQuestion, func(status int, body string) bool {
		return status == 529 && strings.Contains(body, `"type":"overloaded_error"`) && strings.Contains(body, "Overloaded")
	})
	f("error-event=2", streamQuestion, func(_ int, body string) bool {
		return strings.HasPrefix(body, "event: message_start\n") && strings.Count(body, "event: error\n") == 1 && strings.Contains(body, `"type":"overloaded_error"`)
	})
	f("cut-inside=2", streamQuestion, func(_ int, body string) bool {
		return strings.HasPrefix(body, "event: message_start\n") && strings.Count(body, "event: error\n") == 1 && strings.Contains(body, `"type":"api_error"`)
	})
}
