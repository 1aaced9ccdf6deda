package simulate

import (
	"encoding/json"
	"strings"
	"unicode/utf8"
)

// message is a composed answer, before it is written in one form or the other.
type message struct {
	id, model string
	blocks    []block
	stop      string
	stoppedBy string // the stop sequence, if stop says so
	usage     usage
}

// block is one entry of a message's content.
type block struct {
	kind      string   // "thinking", "text" or "tool_use"
	pieces    []string // one delta each; joined, the thought, the text or the JSON of the input
	signature string   // of a thought
	id, name  string   // of a call
}

type usage struct {
	Input         int `json:"input_tokens"`
	CacheCreation int `json:"cache_creation_input_tokens"`
	CacheRead     int `json:"cache_read_input_tokens"`
	CacheTTL      struct {
		M5 int `json:"ephemeral_5m_input_tokens"`
		H1 int `json:"ephemeral_1h_input_tokens"`
	} `json:"cache_creation"`
	Output        int `json:"output_tokens"`
	OutputDetails struct {
		Thinking int `json:"thinking_tokens"`
	} `json:"output_tokens_details"`
	ServerTools *struct{} `json:"server_tool_use"` // always null
	ServiceTier string    `json:"service_tier"`
	Geo         string    `json:"inference_geo"`
}

// limit cuts the message to so many tokens. A call that does not fit is left out whole.
func (m *message) limit(tokens int) {
	left := tokens
	for i := range m.blocks {
		b := &m.blocks[i]
		if len(b.pieces) <= left {
			left -= len(b.pieces)
			continue
		}
		b.pieces = b.pieces[:left]
		m.blocks = m.blocks[:i+1]
		if b.kind == "tool_use" || left == 0 {
			m.blocks = m.blocks[:i]
		}
		m.stop, m.stoppedBy = "max_tokens", ""
		break
	}
}

// stopAt ends the text before the first of the sequences in it; calls after it are not made.
func (m *message) stopAt(sequences []string) {
	for i := range m.blocks {
		b := &m.blocks[i]
		if b.kind != "text" {
			continue
		}
		text := strings.Join(b.pieces, "")
		at := len(text)
		for _, s := range sequences {
			if j := strings.Index(text, s); s != "" && j >= 0 && j < at {
				at, m.stoppedBy = j, s
			}
		}
		if m.stoppedBy != "" {
			b.pieces = words(text[:at])
			m.blocks, m.stop = m.blocks[:i+1], "stop_sequence"
			return
		}
	}
}

// count sets the output tokens, a piece one token.
func (m *message) count() {
	m.usage.Output, m.usage.OutputDetails.Thinking = 0, 0
	for _, b := range m.blocks {
		m.usage.Output += len(b.pieces)
		if b.kind == "thinking" {
			m.usage.OutputDetails.Thinking += len(b.pieces)
		}
	}
}

// wireMessage is a message as JSON, whole or as message_start carries it.
type wireMessage struct {
	ID           string  `json:"id"`
	Type         string  `json:"type"`
	Role         string  `json:"role"`
	Model        string  `json:"model"`
	Content      []any   `json:"content"`
	StopReason   *string `json:"stop_reason"`
	StopSequence *string `json:"stop_sequence"`
	StopDetails  *string `json:"stop_details"`
	Container    *string `json:"container"`
	Usage        usage   `json:"usage"`
}

func (m *message) wire() wireMessage {
	return wireMessage{ID: m.id, Type: "message", Role: "assistant", Model: m.model, Content: []any{}, Usage: m.usage}
}

// view is the whole message.
func (m *message) view() wireMessage {
	m.count()
	w := m.wire()
	for _, b := range m.blocks {
		w.Content = append(w.Content, b.view(strings.Join(b.pieces, "")))
	}
	w.StopReason, w.StopSequence = &m.stop, m.sequence()
	return w
}

func (m *message) sequence() *string {
	if m.stoppedBy == "" {
		return nil
	}
	return &m.stoppedBy
}

type (
	textBlock struct {
		Type string `json:"type"`
		Text string `json:"text"`
	}
	thinkingBlock struct {
		Type      string `json:"type"`
		Thinking  string `json:"thinking"`
		Signature string `json:"signature"`
	}
	toolBlock struct {
		Type  string          `json:"type"`
		ID    string          `json:"id"`
		Name  string          `json:"name"`
		Input json.RawMessage `json:"input"`
	}
)

// view is the block with the joined pieces as its content.
func (b *block) view(joined string) any {
	switch b.kind {
	case "thinking":
		return thinkingBlock{"thinking", joined, b.signature}
	case "tool_use":
		return toolBlock{"tool_use", b.id, b.name, objectOr(joined)}
	}
	return textBlock{"text", joined}
}

// objectOr is the input of a call: no deltas at all mean an empty object.
func objectOr(input string) json.RawMessage {
	if input == "" {
		input = "{}"
	}
	return json.RawMessage(input)
}

// opening is the block as content_block_start carries it, without content.
func (b *block) opening() any {
	empty := *b
	empty.signature = ""
	return empty.view("")
}

// deltaNames are the type of a block's deltas and the key in it that holds the piece.
func (b *block) deltaNames() (kind, key string) {
	switch b.kind {
	case "thinking":
		return "thinking_delta", "thinking"
	case "tool_use":
		return "input_json_delta", "partial_json"
	}
	return "text_delta", "text"
}

// appendString appends s as a JSON string.
func appendString(dst []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c >= utf8.RuneSelf || c == '"' || c == '\\' {
			return append(dst, marshal(s)...)
		}
	}
	dst = append(dst, '"')
	dst = append(dst, s...)
	return append(dst, '"')
}
