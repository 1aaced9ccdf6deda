package conformance_test

import (
	"os"
	"strings"
	"testing"
	"time"

	"sluice/engine"
	"sluice/engine/body"
	"sluice/runtimes"
)

// cloudHeaders are those of Claude Code.
var cloudHeaders = engine.Headers{{Name: "anthropic-version", Value: "2023-06-01"}, {Name: "anthropic-beta", Value: "claude-code-20250219," +
	"interleaved-thinking-2025-05-14,context-management-2025-06-27,per-turn-control-2026-07-01,mid-conversation-tool-changes-2026-07-01," +
	"thinking-token-count-2026-05-13,advanced-tool-use-2025-11-20,effort-2025-11-24"}}

// withSystem is the conversation with the system message that Claude Code puts behind the first of the user.
func withSystem() string {
	const first = `{"role":"user","content":"What does main.go do?"},`
	return strings.Replace(conversation(), first, first+`{"role":"system","content":[{"type":"text","text":"`+strings.Repeat("The environment. ", 500)+
		`","cache_control":{"type":"ephemeral"}}]},`, 1)
}

// withTools is the conversation with a tool that Bedrock does not have, and fields of tools that it refuses.
func withTools() string {
	text := strings.Replace(withSystem(), `"tools":[`, `"tools":[{"type":"web_search_20250305","name":"web_search"},`, 1)
	return strings.ReplaceAll(text, `"required":["file_path"]}}`, `"required":["file_path"]},"strict":true}`)
}

// A look at a path costs a walk over what is before it: one at each message would be 8 ms in 200 KB.
func TestASystemMessageIsFoundWithoutALookAtEveryMessage(t *testing.T) {
	for _, lang := range languages() {
		d, err := lang.InstantiateDialect(&engine.PluginManifest{Name: "bedrock", Artifact: "dialects/bedrock" + lang.Extension(),
			Files: os.DirFS("../../scripts"), Budget: engine.Budget{Time: 10 * time.Second, Steps: 180_000, Memory: 64 << 20}})
		if err != nil {
			t.Fatal(err)
		}
		r := runtimes.SampleRequest()
		r.Headers, r.Body, r.Model = cloudHeaders, []byte(withSystem()), "claude-sonnet-4-5"
		if _, err := runtimes.Shape(d, r, runtimes.SamplePrincipal(), candidates()[0]); err != nil {
			t.Errorf("%s: %v", lang.Extension(), err)
		}
	}
}

// BenchmarkCloudShape200KB shapes what the proxy has scanned.
func BenchmarkCloudShape200KB(b *testing.B) {
	bodies := map[string]string{"plain": conversation(), "system": withSystem(), "tools": withTools()}
	for _, dialect := range []string{"bedrock", "vertex", "bedrock_mantle"} {
		for what, text := range bodies {
			for _, lang := range languages() {
				b.Run(dialect+"/"+what+lang.Extension(), func(b *testing.B) { benchmarkCloud(b, bundledDialect(b, lang, dialect), text) })
			}
		}
	}
}

func benchmarkCloud(b *testing.B, d engine.AnswerDialect, text string) {
	r := runtimes.SampleRequest()
	r.Headers, r.Body = cloudHeaders, []byte(text)
	top, err := body.Scan(r.Body)
	if err != nil {
		b.Fatal(err)
	}
	r.Index, r.Model, r.Stream = &top, "claude-sonnet-4-5", true
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := runtimes.Shape(d.(engine.Dialect), r, runtimes.SamplePrincipal(), candidates()[0]); err != nil {
			b.Fatal(err)
		}
	}
}
