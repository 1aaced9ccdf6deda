package simulate

import (
	"encoding/json"
	"strings"
	"unicode/utf8"
)

type toolChoice struct {
	Type            string `json:"type"`
	Name            string `json:"name"`
	DisableParallel bool   `json:"disable_parallel_tool_use"`
}

type tool struct {
	Name   string `json:"name"`
	Schema schema `json:"input_schema"`
}

type schema struct {
	Properties map[string]property `json:"properties"`
	Required   []string            `json:"required"`
}

type property struct {
	Type json.RawMessage   `json:"type"` // a name or a list of names
	Enum []json.RawMessage `json:"enum"`
}

// calls are the tool calls that the text or the tool_choice of a request asks for, in the nth message that answers it.
func (x *exchange) calls(r *messageRequest, text string, n int) []block {
	asked := strings.Contains(text, "use the tool")
	forced := r.ToolChoice.Type == "any" || r.ToolChoice.Type == "tool"
	if !asked && !forced || r.ToolChoice.Type == "none" {
		return nil
	}
	tools := r.tools()
	want := 1
	if strings.Contains(text, "use the tools") && !r.ToolChoice.DisableParallel {
		want = 2
	}
	var calls []block
	for _, t := range tools[:min(want, len(tools))] {
		pieces := fragments(t.Schema.input(x.p.opts.Name))
		calls = append(calls, block{kind: "tool_use", pieces: pieces, id: x.id("toolu", 2*n+len(calls)), name: t.Name})
	}
	return calls
}

// tools are the tools a call may name: none when the list cannot be read.
func (r *messageRequest) tools() []tool {
	var all, named []tool
	if json.Unmarshal(r.Tools, &all) != nil {
		return nil
	}
	if r.ToolChoice.Type != "tool" {
		return all
	}
	for _, t := range all {
		if t.Name == r.ToolChoice.Name {
			named = append(named, t)
		}
	}
	return named
}

// input is an object with the required properties, in their order; strings in it are word. Without any it is "".
func (s schema) input(word string) string {
	if len(s.Required) == 0 {
		return ""
	}
	var b []byte
	for _, name := range s.Required {
		b = append(b, ',')
		b = appendString(b, name)
		b = append(b, ':')
		b = append(b, s.Properties[name].value(word)...)
	}
	return "{" + string(b[1:]) + "}"
}

func (p property) value(word string) string {
	if len(p.Enum) > 0 {
		return string(p.Enum[0])
	}
	var list []string
	kind := strings.Trim(string(p.Type), `"`)
	if json.Unmarshal(p.Type, &list) == nil && len(list) > 0 {
		kind = list[0]
	}
	switch kind {
	case "integer", "number":
		return "1"
	case "boolean":
		return "true"
	case "array":
		return "[]"
	case "object":
		return "{}"
	case "null":
		return "null"
	}
	return `"` + word + `"`
}

// fragments cuts s into pieces of about eight bytes, between two characters but with no regard for JSON.
func fragments(s string) []string {
	var out []string
	for len(s) > 0 {
		n := min(8, len(s))
		for n < len(s) && !utf8.RuneStart(s[n]) {
			n++
		}
		out = append(out, s[:n])
		s = s[n:]
	}
	return out
}
