package simulate

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
)

// messageRequest is what the simulator reads of a request to messages. All else is let pass.
type messageRequest struct {
	Model      string          `json:"model"`
	MaxTokens  *int            `json:"max_tokens"`
	Messages   []said          `json:"messages"`
	System     json.RawMessage `json:"system"`
	Tools      json.RawMessage `json:"tools"`
	ToolChoice toolChoice      `json:"tool_choice"`
	Thinking   struct {
		Type    string `json:"type"`
		Display string `json:"display"`
	} `json:"thinking"`
	StopSequences []string `json:"stop_sequences"`
	Stream        bool     `json:"stream"`

	Temperature json.RawMessage `json:"temperature"`
	TopP        json.RawMessage `json:"top_p"`
	TopK        json.RawMessage `json:"top_k"`
}

// said is one entry of messages.
type said struct {
	Role    string          `json:"role"`
	Content json.RawMessage `json:"content"`
}

// decode reads the body of a request into v. It returns the message of a 400, "" if there is none to give.
func decode(body []byte, v any) string {
	err := json.Unmarshal(body, v)
	var wrong *json.UnmarshalTypeError
	switch {
	case err == nil:
		return ""
	case !errors.As(err, &wrong):
		return "The request body is not valid JSON: " + err.Error()
	case wrong.Field == "":
		return "Input should be an object"
	}
	return wrong.Field + ": Input should be a valid " + wanted(wrong.Type.Kind())
}

func wanted(k reflect.Kind) string {
	switch k {
	case reflect.Int:
		return "integer"
	case reflect.Bool:
		return "boolean"
	case reflect.Slice:
		return "list"
	case reflect.Struct:
		return "dictionary"
	}
	return "string"
}

// check returns the message of the API's 400, "" if there is nothing to say against the request.
func (r *messageRequest) check(version string) string {
	switch {
	case r.Model == "":
		return "model: Field required"
	case r.Messages == nil:
		return "messages: Field required"
	case len(r.Messages) == 0:
		return "messages: at least one message is required"
	}
	for i, m := range r.Messages {
		if !slices.Contains([]string{"user", "assistant", "system"}, m.Role) {
			return fmt.Sprintf("messages.%d.role: Input should be 'user', 'assistant' or 'system'", i)
		}
		if m.Content == nil {
			return fmt.Sprintf("messages.%d.content: Field required", i)
		}
	}
	if version < "2026-10-21" {
		return ""
	}
	switch {
	case r.Temperature != nil:
		return "temperature: Extra inputs are not permitted"
	case r.TopP != nil:
		return "top_p: Extra inputs are not permitted"
	case r.TopK != nil:
		return "top_k: Extra inputs are not permitted"
	}
	return ""
}

// checkTokens is the check of what only a message needs.
func (r *messageRequest) checkTokens() string {
	switch {
	case r.MaxTokens == nil:
		return "max_tokens: Field required"
	case *r.MaxTokens < 1:
		return "max_tokens: Input should be greater than or equal to 1"
	}
	return ""
}

// readMessage decodes and checks what messages and count_tokens have in common. On false the answer is given.
func (x *exchange) readMessage() (*messageRequest, bool) {
	r := &messageRequest{}
	if len(x.req.Body) > maxMessage {
		x.fail(413, tooLarge.Type, tooLarge.Message)
		return nil, false
	}
	wrong := decode(x.req.Body, r)
	if x.asked != nil && x.asked.model != "" {
		r.Model, r.Stream = x.asked.model, x.asked.stream
	}
	if wrong == "" {
		wrong = r.check(x.req.Header("anthropic-version"))
	}
	if wrong != "" {
		x.fail(400, "invalid_request_error", wrong)
		return nil, false
	}
	if known := x.p.opts.Models; known != nil && !slices.Contains(known, r.Model) {
		x.fail(404, "not_found_error", "model: "+r.Model)
		return nil, false
	}
	return r, true
}

func (x *exchange) messages() {
	r, ok := x.readMessage()
	if !ok {
		return
	}
	wrong := r.checkTokens()
	switch {
	case wrong != "":
		x.fail(400, "invalid_request_error", wrong)
	case x.fault.name == "giant":
		m := x.compose(r, 0)
		x.giant(m, r.Stream, func() any { return m.view() }, m.events)
	case r.Stream:
		x.dress()
		x.sendEvents(x.compose(r, 0).events())
	default:
		x.send(200, x.compose(r, 0).view())
	}
}

func (x *exchange) countTokens() {
	if r, ok := x.readMessage(); ok {
		all, _ := r.tokens()
		x.send(200, map[string]int{"input_tokens": all})
	}
}

// tokens counts four bytes of system, tools and messages as one token. last is the share of the last message.
func (r *messageRequest) tokens() (all, last int) {
	n := len(r.System) + len(r.Tools)
	for _, m := range r.Messages {
		last = len(m.Content)
		n += last
	}
	return n/4 + 1, last / 4
}

// usage counts the input. What stands before the last message is cached if anything is marked so: written by the first request of
// a conversation, read by the later ones.
func (r *messageRequest) usage() usage {
	all, last := r.tokens()
	u := usage{Input: all, ServiceTier: "standard", Geo: "us"}
	if !r.cached() {
		return u
	}
	u.Input = min(last+1, all)
	if len(r.Messages) > 2 {
		u.CacheRead = all - u.Input
		return u
	}
	u.CacheCreation = all - u.Input
	u.CacheTTL.M5 = u.CacheCreation
	return u
}

func (r *messageRequest) cached() bool {
	mark := []byte(`"cache_control"`)
	return bytes.Contains(r.System, mark) || bytes.Contains(r.Tools, mark) ||
		slices.ContainsFunc(r.Messages, func(m said) bool { return bytes.Contains(m.Content, mark) })
}

// lastWords is the last text of the last user message. Without a text it is what the last tool said, and tool is true.
func (r *messageRequest) lastWords() (text string, tool bool) {
	for _, m := range slices.Backward(r.Messages) {
		if m.Role == "user" {
			return lastText(m.Content)
		}
	}
	return "", false
}

func lastText(content json.RawMessage) (text string, tool bool) {
	if json.Unmarshal(content, &text) == nil {
		return text, false
	}
	var blocks []struct {
		Type    string
		Text    string
		Content json.RawMessage
	}
	if json.Unmarshal(content, &blocks) != nil {
		return "", false
	}
	for _, b := range slices.Backward(blocks) {
		if b.Type == "text" {
			return b.Text, false
		}
		if b.Type == "tool_result" && !tool {
			text, _ = lastText(b.Content)
			tool = true
		}
	}
	return text, tool
}
