package simulate

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// chatRequest is a request to OpenAI's chat completions. What it says is made a messageRequest, so that answers follow from it alike.
type chatRequest struct {
	Model     string        `json:"model"`
	Messages  []chatMessage `json:"messages"`
	MaxTokens *int          `json:"max_tokens"`
	MaxOutput *int          `json:"max_completion_tokens"`
	Tools     []struct {
		Function struct {
			Name       string          `json:"name"`
			Parameters json.RawMessage `json:"parameters"`
		} `json:"function"`
	} `json:"tools"`
	ToolChoice json.RawMessage `json:"tool_choice"` // "auto", "required", "none" or an object that names a function
	Parallel   *bool           `json:"parallel_tool_calls"`
	Effort     string          `json:"reasoning_effort"`
	Stop       []string        `json:"stop"`
	User       string          `json:"user"`
	Stream     bool            `json:"stream"`
	Options    struct {
		Usage bool `json:"include_usage"`
	} `json:"stream_options"`
}

type chatMessage struct {
	Role    string          `json:"role"`
	Content json.RawMessage `json:"content"`
	Calls   []struct {
		ID string `json:"id"`
	} `json:"tool_calls"`
	CallID string `json:"tool_call_id"`
}

// chatFields are the fields that chat completions take; any other is refused, as OpenAI does.
var chatFields = []string{"model", "messages", "max_tokens", "max_completion_tokens", "tools", "tool_choice", "parallel_tool_calls",
	"reasoning_effort", "stop", "user", "stream", "stream_options", "temperature", "top_p", "response_format"}

// chat answers a request to the kind openai. "use the tools at once" makes the pieces of the calls take turns in a stream.
func (x *exchange) chat() {
	switch path := x.req.Path; {
	case path == "/v1/chat/completions":
		x.only("POST", x.complete)
	case path == "/v1/models":
		x.only("GET", x.chatModels)
	default:
		x.fail(404, "invalid_request_error", fmt.Sprintf("Invalid URL (%s %s)", x.req.Method, path))
	}
}

func (x *exchange) chatModels() {
	type model struct {
		ID      string `json:"id"`
		Object  string `json:"object"`
		OwnedBy string `json:"owned_by"`
	}
	list := []model{}
	for _, o := range x.p.models {
		list = append(list, model{o.id, "model", "simulate"})
	}
	x.send(200, map[string]any{"object": "list", "data": list})
}

// hasBearer reports whether the one credential that OpenAI takes is there.
func (x *exchange) hasBearer() bool {
	scheme, token, _ := strings.Cut(x.req.Header("authorization"), " ")
	switch {
	case !strings.EqualFold(scheme, "Bearer") || token == "":
		x.fail(401, "authentication_error", "You didn't provide an API key.")
	case x.p.opts.Key != "" && token != x.p.opts.Key:
		x.fail(401, "authentication_error", "Incorrect API key provided.")
	default:
		return true
	}
	return false
}

func (x *exchange) complete() {
	r := &chatRequest{}
	wrong := decode(x.req.Body, r)
	if wrong == "" {
		wrong = r.check(x.req.Body)
	}
	if wrong != "" {
		x.fail(400, "invalid_request_error", wrong)
		return
	}
	if known := x.p.opts.Models; known != nil && !slices.Contains(known, r.Model) {
		x.fail(404, "not_found_error", "The model `"+r.Model+"` does not exist or you do not have access to it.")
		return
	}
	m, now := x.compose(r.asked(), 0), x.req.Arrived.Unix()
	whole := func() any { return m.completion(now) }
	events := func() [][]byte { return m.chunks(now, r.Options.Usage, strings.Contains(r.lastText(), "at once")) }
	switch {
	case x.fault.name == "giant":
		x.giant(m, r.Stream, whole, events)
	case r.Stream:
		x.dress()
		x.sendEvents(events())
	default:
		x.send(200, whole())
	}
}

// check returns the message of OpenAI's 400, "" if there is nothing to say against the request.
func (r *chatRequest) check(body []byte) string {
	var fields map[string]json.RawMessage
	_ = json.Unmarshal(body, &fields) // it was an object before
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		if !slices.Contains(chatFields, name) {
			return "Unrecognized request argument supplied: " + name
		}
	}
	switch {
	case r.Model == "":
		return "you must provide a model parameter"
	case len(r.Messages) == 0:
		return "[] is too short - 'messages'"
	case r.reasons() && r.MaxTokens != nil:
		return "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead."
	case !r.reasons() && r.Effort != "":
		return "Unrecognized request argument supplied: reasoning_effort"
	case len(r.Stop) > 4:
		return "Invalid 'stop': array too long. Expected an array with maximum length 4."
	case len(r.User) > 64:
		return "Invalid 'user': string too long. Expected a string with maximum length 64."
	}
	for i, t := range r.Tools {
		if n := len(t.Function.Name); n == 0 || n > 64 {
			return fmt.Sprintf("Invalid 'tools[%d].function.name': string of length %d. Expected 1 to 64.", i, n)
		}
	}
	return r.checkMessages()
}

// checkMessages makes sure that every result of a tool follows the call that it answers, and that nothing is empty.
func (r *chatRequest) checkMessages() string {
	var open []string // calls that wait for their result
	for i, m := range r.Messages {
		if m.Role != "tool" && len(open) > 0 {
			return fmt.Sprintf("messages.[%d]: an assistant message with 'tool_calls' must be followed by tool messages, missing: %s", i, strings.Join(open, ", "))
		}
		empty := len(m.Content) == 0 || string(m.Content) == "null"
		switch m.Role {
		case "system", "developer", "user":
		case "assistant":
			empty = empty && len(m.Calls) == 0
			for _, c := range m.Calls {
				open = append(open, c.ID)
			}
		case "tool":
			at := slices.Index(open, m.CallID)
			if at < 0 {
				return fmt.Sprintf("messages.[%d].role: messages with role 'tool' must be a response to a preceding message with 'tool_calls'.", i)
			}
			open = slices.Delete(open, at, at+1)
			if len(m.Content) > 0 && m.Content[0] == '[' {
				return fmt.Sprintf("messages.[%d].content: images are only allowed for messages with role 'user'", i)
			}
			continue
		default:
			return fmt.Sprintf("Invalid value: '%s'. Supported values are: 'system', 'assistant', 'user', 'developer' and 'tool'.", m.Role)
		}
		if empty {
			return fmt.Sprintf("Invalid value for 'content' of messages.[%d]: expected a string, got null.", i)
		}
	}
	return ""
}

func (r *chatRequest) reasons() bool {
	return strings.HasPrefix(r.Model, "gpt-5") || len(r.Model) > 1 && r.Model[0] == 'o' && '0' <= r.Model[1] && r.Model[1] <= '9'
}

// asked is the request as the API would have it.
func (r *chatRequest) asked() *messageRequest {
	out := &messageRequest{Model: r.Model, StopSequences: r.Stop, Stream: r.Stream, MaxTokens: r.MaxTokens}
	if r.MaxOutput != nil {
		out.MaxTokens = r.MaxOutput
	}
	if out.MaxTokens == nil {
		most := 4096
		out.MaxTokens = &most
	}
	if r.Effort != "" {
		out.Thinking.Type = "enabled"
	}
	for _, m := range r.Messages {
		switch m.Role {
		case "tool":
			m.Role, m.Content = "user", marshal([]any{map[string]any{"type": "tool_result", "content": m.Content}})
		case "developer":
			m.Role = "system"
		}
		out.Messages = append(out.Messages, said{m.Role, m.Content})
	}
	r.giveTools(out)
	return out
}

func (r *chatRequest) giveTools(out *messageRequest) {
	var tools []any
	for _, t := range r.Tools {
		tools = append(tools, map[string]any{"name": t.Function.Name, "input_schema": t.Function.Parameters})
	}
	if tools != nil {
		out.Tools = marshal(tools)
	}
	var named struct {
		Function struct{ Name string }
	}
	switch choice := strings.Trim(string(r.ToolChoice), `"`); {
	case choice == "required":
		out.ToolChoice.Type = "any"
	case choice == "none":
		out.ToolChoice.Type = "none"
	case json.Unmarshal(r.ToolChoice, &named) == nil && named.Function.Name != "":
		out.ToolChoice.Type, out.ToolChoice.Name = "tool", named.Function.Name
	}
	out.ToolChoice.DisableParallel = r.Parallel != nil && !*r.Parallel
}

func (r *chatRequest) lastText() string {
	text, _ := r.asked().lastWords()
	return text
}

// chatErrors are what OpenAI calls the API's kinds of errors, with the code beside it.
var chatErrors = map[string][2]string{
	"invalid_request_error": {"invalid_request_error", ""},
	"authentication_error":  {"invalid_request_error", "invalid_api_key"},
	"not_found_error":       {"invalid_request_error", "model_not_found"},
	"rate_limit_error":      {"requests", "rate_limit_exceeded"},
}

type chatProblem struct {
	Error struct {
		Message string  `json:"message"`
		Type    string  `json:"type"`
		Param   *string `json:"param"`
		Code    *string `json:"code"`
	} `json:"error"`
}

func chatProblemOf(kind, message string) (p chatProblem) {
	name, ok := chatErrors[kind]
	if !ok {
		name = [2]string{"server_error", ""}
	}
	p.Error.Message, p.Error.Type = message, name[0]
	if name[1] != "" {
		p.Error.Code = &name[1]
	}
	return p
}

// failInChat answers with an error of OpenAI, which has no status 529.
func (x *exchange) failInChat(status int, kind, message string, extra []Header) {
	if status == 529 {
		status = 503
	}
	x.send(status, chatProblemOf(kind, message), extra...)
}
