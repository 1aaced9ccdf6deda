package body_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"sluice/engine/body"
)

// claudeBody is a request as a coding agent makes it, of about size bytes: the messages first; metadata, service tier and stream
// last.
func claudeBody(size int) []byte {
	const code = "func (s *server) handle(w http.ResponseWriter, r *http.Request) {\n\tif r.Method != \"POST\" {" +
		"\n\t\thttp.Error(w, \"method not allowed: \" + r.Method, http.StatusMethodNotAllowed)\n\t\treturn" +
		"\n\t}\n\t// ünïcode — naïve café, 日本語\n}\n\n"
	const prose = "You are an agent that helps with software engineering tasks. Use the instructions below and the tools available " +
		"to you to assist the user. Keep answers short, and prefer to edit a file over writing a new one.\n"
	text := func(unit string, n int) string {
		return string(body.AppendString(nil, strings.Repeat(unit, n/len(unit)+1)))
	}
	var b strings.Builder
	b.WriteString(`{"model":"claude-sonnet-4-5-20250929","messages":[{"role":"user","content":[{"type":"text","text":"fix it"}]}`)
	for i := 0; b.Len() < size*6/10; i++ {
		fmt.Fprintf(&b, `,{"role":"assistant","content":[{"type":"text","text":"Reading file %d."},{"type":"tool_use","id":`+
			`"toolu_%024d","name":"Read","input":{"file_path":"/home/u/src/f%d.go","offset":%d,"limit":200}}]},{"role":"user","content":[`+
			`{"tool_use_id":"toolu_%024d","type":"tool_result","content":%s,"cache_control":{"type":"ephemeral"}}]}`,
			i, i, i, i*200, i, text(code, size/50))
	}
	fmt.Fprintf(&b, `],"system":[{"type":"text","text":%s,"cache_control":{"type":"ephemeral"}}],"tools":[`, text(prose, size/10))
	for i := 0; b.Len() < size; i++ {
		fmt.Fprintf(&b, `%.*s{"name":"tool_%d","description":%s,"input_schema":{`+
			`"$schema":"http://json-schema.org/draft-07/schema#","type":"object",`+
			`"properties":{"file_path":{"type":"string","description":"The absolute path to the file"},"offset":`+
			`{"type":"number","description":"The line to start at","minimum":0},"edits":{"type":"array","items":{"type":"object",`+
			`"properties":{"old":{"type":"string"},"new":{"type":"string"},"all":{"type":"boolean","default":false}},`+
			`"required":["old","new"],"additionalProperties":false}}},"required":["file_path"]}}`,
			min(i, 1), ",", i, text(prose, size/150))
	}
	b.WriteString(`],"metadata":{"user_id":"{\"session_id\":\"0b9d3a52-6c1e-4f7a-9a51-3c2f6f0f8c11\"}"},"max_tokens":32000,` +
		`"thinking":{"type":"enabled","budget_tokens":31999},"temperature":1,"service_tier":"auto","stream":true}`)
	return []byte(b.String())
}

var routed = []string{"model", "stream", "max_tokens", "service_tier", "metadata"}

func BenchmarkScan(b *testing.B) {
	for _, size := range []int{1_000, 200_000} {
		src := claudeBody(size)
		run := func(name string, f func()) {
			b.Run(fmt.Sprintf("%dKB/%s", len(src)/1000, name), func(b *testing.B) {
				b.SetBytes(int64(len(src)))
				b.ReportAllocs()
				for b.Loop() {
					f()
				}
			})
		}
		run("Scan", func() { _, _ = body.Scan(src, routed...) })
		run("json.Valid", func() { json.Valid(src) })
	}
}

func BenchmarkDoc(b *testing.B) {
	src := claudeBody(200_000)
	top, err := body.Scan(src)
	if err != nil {
		b.Fatal(err)
	}
	value := []byte(`"claude-x"`)
	get := func(name, path string) {
		p, _ := body.ParsePath(path)
		b.Run("Get/"+name, func(b *testing.B) {
			b.ReportAllocs()
			d := body.WithTop(top)
			for b.Loop() {
				d.Get(p)
			}
		})
	}
	get("last", "stream")
	get("metadata", "metadata.user_id")
	get("deep", "messages.40.content.0.content")
	get("tool", "tools.10.input_schema.properties.edits.items.required.1")
	set := func(name string, paths ...string) {
		b.Run("Set/"+name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				d := body.WithTop(top)
				for _, p := range paths {
					_ = d.Set(body.Path{p}, value)
				}
			}
		})
	}
	set("first", "model")
	set("last", "stream")
	set("new", "anthropic_version")
	set("five", "model", "stream", "anthropic_version", "service_tier", "container")
}

func BenchmarkDecode(b *testing.B) {
	src := claudeBody(200_000)
	b.Run("Decode", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_, _ = body.Decode[any](src, goBuilder{})
		}
	})
	b.Run("json.Unmarshal", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			var v any
			_ = json.Unmarshal(src, &v)
		}
	})
}

func BenchmarkAppendString(b *testing.B) {
	var text string
	top, _ := body.Scan(claudeBody(200_000))
	v, _ := top.Value().Get(body.Path{"messages", "2", "content", "0", "content"})
	text, _ = v.Text()
	b.Run("AppendString", func(b *testing.B) {
		b.SetBytes(int64(len(text)))
		var dst []byte
		for b.Loop() {
			dst = body.AppendString(dst[:0], text)
		}
	})
	b.Run("json.Marshal", func(b *testing.B) {
		b.SetBytes(int64(len(text)))
		for b.Loop() {
			_, _ = json.Marshal(text)
		}
	})
}
