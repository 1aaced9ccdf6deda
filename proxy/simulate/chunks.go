package simulate

import (
	"encoding/json"
	"strings"
)

// chatStops are the API's reasons to stop as OpenAI has them.
var chatStops = map[string]string{"end_turn": "stop", "stop_sequence": "stop", "max_tokens": "length", "tool_use": "tool_calls"}

type (
	chatAnswer struct {
		ID      string       `json:"id"`
		Object  string       `json:"object"`
		Created int64        `json:"created"`
		Model   string       `json:"model"`
		Choices []chatChoice `json:"choices"`
		Usage   *chatUsage   `json:"usage,omitempty"`
	}
	chatChoice struct {
		Index   int       `json:"index"`
		Message *chatSaid `json:"message,omitempty"`
		Delta   *chatSaid `json:"delta,omitempty"`
		Finish  *string   `json:"finish_reason"`
	}
	// chatSaid is a message, or a piece of one: content is a text, null or, where it is nil, not there.
	chatSaid struct {
		Role      string          `json:"role,omitempty"`
		Content   json.RawMessage `json:"content,omitempty"`
		Reasoning string          `json:"reasoning_content,omitempty"`
		Calls     []chatCall      `json:"tool_calls,omitempty"`
	}
	chatCall struct {
		Index    *int         `json:"index,omitempty"` // of a piece
		ID       string       `json:"id,omitempty"`
		Type     string       `json:"type,omitempty"`
		Function chatFunction `json:"function"`
	}
	chatFunction struct {
		Name      string `json:"name,omitempty"`
		Arguments string `json:"arguments"`
	}
	chatUsage struct {
		Prompt        int `json:"prompt_tokens"`
		Completion    int `json:"completion_tokens"`
		Total         int `json:"total_tokens"`
		PromptDetails struct {
			Cached int `json:"cached_tokens"`
		} `json:"prompt_tokens_details"`
		CompletionDetails struct {
			Reasoning int `json:"reasoning_tokens"`
		} `json:"completion_tokens_details"`
	}
)

func (m *message) chat(object string, created int64) chatAnswer {
	return chatAnswer{ID: strings.Replace(m.id, "msg_", "chatcmpl-", 1), Object: object, Created: created, Model: m.model, Choices: []chatChoice{}}
}

func (m *message) chatUsage() *chatUsage {
	m.count()
	u := &chatUsage{Prompt: m.usage.Input + m.usage.CacheRead + m.usage.CacheCreation, Completion: m.usage.Output}
	u.Total = u.Prompt + u.Completion
	u.PromptDetails.Cached, u.CompletionDetails.Reasoning = m.usage.CacheRead, m.usage.OutputDetails.Thinking
	return u
}

// completion is the whole message as a chat completion.
func (m *message) completion(created int64) chatAnswer {
	said := &chatSaid{Role: "assistant", Content: json.RawMessage("null")}
	for _, b := range m.blocks {
		joined := strings.Join(b.pieces, "")
		switch b.kind {
		case "thinking":
			said.Reasoning = joined
		case "tool_use":
			said.Calls = append(said.Calls, chatCall{ID: callID(b.id), Type: "function", Function: chatFunction{b.name, joined}})
		default:
			said.Content = marshal(joined)
		}
	}
	finish := chatStops[m.stop]
	a := m.chat("chat.completion", created)
	a.Choices, a.Usage = append(a.Choices, chatChoice{Message: said, Finish: &finish}), m.chatUsage()
	return a
}

func callID(id string) string { return strings.Replace(id, "toolu_", "call_", 1) }

// chunks is the message as the events of a stream: the role, a piece of a block each, the finish_reason, the usage if it is wanted, and
// [DONE]. atOnce makes the pieces of calls take turns.
func (m *message) chunks(created int64, usage, atOnce bool) [][]byte {
	t := &chatTape{chunk: m.chat("chat.completion.chunk", created)}
	t.add(chatSaid{Role: "assistant", Content: json.RawMessage(`""`)}, nil)
	var calls [][]chatCall
	for _, b := range m.blocks {
		if b.kind == "tool_use" {
			calls = append(calls, callPieces(&b, len(calls)))
			continue
		}
		for _, piece := range b.pieces {
			if b.kind == "thinking" {
				t.add(chatSaid{Reasoning: piece}, nil)
			} else {
				t.add(chatSaid{Content: marshal(piece)}, nil)
			}
		}
	}
	t.calls(calls, atOnce)
	finish := chatStops[m.stop]
	t.add(chatSaid{}, &finish)
	if usage {
		t.chunk.Choices, t.chunk.Usage = []chatChoice{}, m.chatUsage()
		t.event(marshal(t.chunk))
	}
	t.event([]byte("[DONE]"))
	return t.events()
}

// callPieces are the pieces of a call: its name, and then its arguments.
func callPieces(b *block, index int) []chatCall {
	out := []chatCall{{Index: &index, ID: callID(b.id), Type: "function", Function: chatFunction{Name: b.name}}}
	for _, piece := range b.pieces {
		out = append(out, chatCall{Index: &index, Function: chatFunction{Arguments: piece}})
	}
	return out
}

// chatTape collects the events of a stream, which have data alone.
type chatTape struct {
	tape
	chunk chatAnswer
}

func (t *chatTape) event(data []byte) {
	t.buf = append(append(append(t.buf, "data: "...), data...), "\n\n"...)
	t.cut()
}

func (t *chatTape) add(delta chatSaid, finish *string) {
	t.chunk.Choices = []chatChoice{{Delta: &delta, Finish: finish}}
	t.event(marshal(t.chunk))
}

// calls adds the pieces of calls, one call after the other or, atOnce, a piece of each in turn.
func (t *chatTape) calls(calls [][]chatCall, atOnce bool) {
	if !atOnce {
		for _, pieces := range calls {
			for _, piece := range pieces {
				t.add(chatSaid{Calls: []chatCall{piece}}, nil)
			}
		}
		return
	}
	for i, more := 0, true; more; i++ {
		more = false
		for _, pieces := range calls {
			if i < len(pieces) {
				t.add(chatSaid{Calls: []chatCall{pieces[i]}}, nil)
				more = true
			}
		}
	}
}
