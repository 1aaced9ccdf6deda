package simulate_test

import (
	"strings"
	"testing"

	"sluice/proxy/simulate"
)

const chatPath = "/v1/chat/completions"

// chat asks a provider of the kind openai. The lines of do that the API wants are not sent.
func chat(t *testing.T, p *simulate.Provider, body string) (int, string) {
	t.Helper()
	resp, out := do(t, p, "POST", chatPath, body, "x-api-key:", "anthropic-version:", "Authorization: Bearer k")
	return resp.StatusCode, out
}

func TestChatCompletions(t *testing.T) {
	t.Parallel()
	p := start(t, simulate.Options{Kind: simulate.KindOpenAI, Key: "k"})
	const tools = `"tools":[{"type":"function","function":{"name":"a","parameters":{"required":["x"],"properties":{"x":{"type":"string"}}}}},` +
		`{"type":"function","function":{"name":"b","parameters":{}}}]`
	f := func(body string, wants ...string) {
		t.Helper()
		status, out := chat(t, p, body)
		at := 0
		for _, want := range wants {
			i := strings.Index(out[at:], want)
			if status != 200 || i < 0 {
				t.Errorf("%s: got %d %s\nwant %q after byte %d", body, status, out, want, at)
				return
			}
			at += i + len(want)
		}
	}
	f(`{"model":"gpt-4o","messages":[{"role":"user","content":"hi"}]}`, `{"id":"chatcmpl-sim_`, `"object":"chat.completion"`,
		`"content":"I am sim. You said: hi"`, `"finish_reason":"stop"`, `"prompt_tokens":2,"completion_tokens":6,"total_tokens":8`)
	f(`{"model":"gpt-4o","max_tokens":2,"messages":[{"role":"user","content":"hi"}]}`, `"content":"I am "`, `"finish_reason":"length"`)
	f(`{"model":"gpt-5","reasoning_effort":"low","messages":[{"role":"developer","content":"x"},{"role":"user","content":"hi"}]}`,
		`"reasoning_content":"The user`, `"reasoning_tokens":8`)
	f(`{"model":"gpt-4o","messages":[{"role":"user","content":"use the tools"}],`+tools+`}`, `"id":"call_sim_`, `"name":"a","arguments":"{\"x\":\"sim\"}"`,
		`"name":"b","arguments":""`, `"finish_reason":"tool_calls"`)
	f(`{"model":"gpt-4o","messages":[{"role":"user","content":"use the tools"}],"parallel_tool_calls":false,`+tools+`}`, `"arguments":"{\"x\":\"sim\"}"}}]}`)
	f(`{"model":"gpt-4o","messages":[{"role":"user","content":"x"},{"role":"assistant","content":null,"tool_calls":[{"id":"1"}]},`+
		`{"role":"tool","tool_call_id":"1","content":"done"}]}`, "The tool said: done")
	f(`{"model":"gpt-4o","stream":true,"stream_options":{"include_usage":true},"messages":[{"role":"user","content":"use the tools at once"}],`+tools+`}`,
		`"delta":{"role":"assistant","content":""}`, `"delta":{"content":"I "}`, `{"index":0,"id":"call_`, `{"index":1,"id":"call_`, `{"index":0,"function":{"arguments":"{`,
		`"delta":{},"finish_reason":"tool_calls"}`, `"choices":[],"usage":{`, "data: [DONE]\n\n")
}

func TestChatCompletionsRefuse(t *testing.T) {
	t.Parallel()
	p := start(t, simulate.Options{Kind: simulate.KindOpenAI, Key: "k", Models: []string{"gpt-4o", "o3"}})
	f := func(body string, status int, wants ...string) {
		t.Helper()
		got, out := chat(t, p, body)
		for _, want := range wants {
			if got != status || !strings.Contains(out, want) {
				t.Errorf("%s: got %d %s, want %d with %q", body, got, out, status, want)
			}
		}
	}
	const user = `"messages":[{"role":"user","content":"x"}]`
	f(`{"model":"gpt-4o","system":"x",`+user+`}`, 400, `"Unrecognized request argument supplied: system"`)
	f(`{"model":"o3","max_tokens":1,`+user+`}`, 400, "Use 'max_completion_tokens' instead.")
	f(`{"model":"gpt-4o","stop":["a","b","c","d","e"],`+user+`}`, 400, "Invalid 'stop'")
	f(`{"model":"gpt-4o","user":"`+strings.Repeat("u", 65)+`",`+user+`}`, 400, "Invalid 'user'")
	f(`{"model":"gpt-4o","tools":[{"function":{"name":"`+strings.Repeat("n", 65)+`"}}],`+user+`}`, 400, "Invalid 'tools[0].function.name'")
	f(`{"model":"gpt-4o","messages":[{"role":"assistant","content":null}]}`, 400, "Invalid value for 'content' of messages.[0]")
	f(`{"model":"gpt-4o","messages":[{"role":"tool","tool_call_id":"1","content":"x"}]}`, 400, "must be a response to a preceding message")
	f(`{"model":"gpt-4o","messages":[{"role":"assistant","content":null,"tool_calls":[{"id":"1"}]},{"role":"user","content":"x"}]}`, 400, "missing: 1")
	f(`{"model":"gpt-9",`+user+`}`, 404, `"code":"model_not_found"`)
	f(`{"model":`, 400, "not valid JSON")
	p.Next("529", "429", "error-event=2")
	f(`{"model":"gpt-4o",`+user+`}`, 503, `"type":"server_error"`)
	f(`{"model":"gpt-4o",`+user+`}`, 429, `"type":"requests"`, `"code":"rate_limit_exceeded"`)
	f(`{"model":"gpt-4o","stream":true,`+user+`}`, 200, `data: {"error":{"message":"The server is overloaded"`)
	if resp, out := do(t, p, "POST", chatPath, `{}`, "x-api-key: k"); resp.StatusCode != 401 || !strings.Contains(out, "invalid_api_key") {
		t.Errorf("no bearer: got %d %s", resp.StatusCode, out)
	}
}
