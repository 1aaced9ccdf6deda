package simulate_test

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"sluice/proxy/simulate"
)

const usualHead = "request-id: req_sim-a_000001\r\n" +
	"anthropic-organization-id: 7fa7f7d5-22e3-5445-5587-de93476d09a9\r\n" +
	"anthropic-ratelimit-requests-limit: 4000\r\n" +
	"anthropic-ratelimit-requests-remaining: 3999\r\n" +
	"anthropic-ratelimit-requests-reset: 2026-11-23T12:01:00Z\r\n" +
	"anthropic-ratelimit-tokens-limit: 2400000\r\n" +
	"anthropic-ratelimit-tokens-remaining: 2399000\r\n" +
	"anthropic-ratelimit-tokens-reset: 2026-11-23T12:01:00Z\r\n" +
	"anthropic-ratelimit-input-tokens-limit: 2000000\r\n" +
	"anthropic-ratelimit-input-tokens-remaining: 1999000\r\n" +
	"anthropic-ratelimit-input-tokens-reset: 2026-11-23T12:01:00Z\r\n" +
	"anthropic-ratelimit-output-tokens-limit: 400000\r\n" +
	"anthropic-ratelimit-output-tokens-remaining: 400000\r\n" +
	"anthropic-ratelimit-output-tokens-reset: 2026-11-23T12:01:00Z\r\n" +
	"x-envoy-upstream-service-time: 1\r\n" +
	"via: 1.1 google\r\n" +
	"cf-cache-status: DYNAMIC\r\n" +
	"cf-ray: 1-SIM\r\n"

const cookie = "Set-Cookie: _cfuvid=sim-a-1; path=/; domain=.anthropic.com; HttpOnly; Secure\r\n"

func TestAMessageIsExactlyThis(t *testing.T) {
	t.Parallel()
	p := start(t, simulate.Options{Name: "sim-a"})
	got, _ := talkUntil(t, p, request("POST", "/v1/messages?beta=true", hello), `"us"}}`)
	equal(t, "answer", got, "HTTP/1.1 200 OK\r\nServer: cloudflare\r\nContent-Type: application/json\r\nContent-Length: 528\r\n"+
		usualHead+cookie+"\r\n"+
		`{"id":"msg_sim-a_000001","type":"message","role":"assistant","model":"claude-x",`+
		`"content":[{"type":"text","text":"I am sim-a. You said: hello"}],"stop_reason":"end_turn","stop_sequence":null,`+
		`"stop_details":null,"container":null,"usage":{"input_tokens":2,"cache_creation_input_tokens":0,`+
		`"cache_read_input_tokens":0,"cache_creation":{"ephemeral_5m_input_tokens":0,"ephemeral_1h_input_tokens":0},`+
		`"output_tokens":6,"output_tokens_details":{"thinking_tokens":0},"server_tool_use":null,`+
		`"service_tier":"standard","inference_geo":"us"}}`)
}

func TestAStreamIsExactlyThis(t *testing.T) {
	t.Parallel()
	p := start(t, simulate.Options{Name: "sim-a"})
	got, _ := talkUntil(t, p, request("POST", "/v1/messages", helloStream), "\r\n0\r\n\r\n")
	head, _, _ := chunksOf(t, got)
	equal(t, "head", head, "HTTP/1.1 200 OK\r\nServer: cloudflare\r\nContent-Type: text/event-stream; charset=utf-8\r\n"+
		usualHead+"Transfer-Encoding: chunked\r\n"+cookie+"\r\n")

	var want strings.Builder
	event := func(name, data string) {
		e := "event: " + name + "\ndata: " + data + "\n\n"
		fmt.Fprintf(&want, "%x\r\n%s\r\n", len(e), e)
	}
	event("message_start", `{"type":"message_start","message":{"id":"msg_sim-a_000001","type":"message","role":"assistant",`+
		`"model":"claude-x","content":[],"stop_reason":null,"stop_sequence":null,"stop_details":null,"container":null,`+
		`"usage":{"input_tokens":2,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,`+
		`"cache_creation":{"ephemeral_5m_input_tokens":0,"ephemeral_1h_input_tokens":0},"output_tokens":1,`+
		`"output_tokens_details":{"thinking_tokens":0},"server_tool_use":null,"service_tier":"standard","inference_geo":"us"}}}`)
	event("content_block_start", `{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}`)
	event("ping", `{"type":"ping"}`)
	for _, word := range []string{"I ", "am ", "sim-a. ", "You ", "said: ", "hello"} {
		event("content_block_delta", `{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"`+word+`"}}`)
	}
	event("content_block_stop", `{"type":"content_block_stop","index":0}`)
	event("message_delta", `{"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null},`+
		`"usage":{"input_tokens":2,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":6,`+
		`"output_tokens_details":{"thinking_tokens":0}}}`)
	event("message_stop", `{"type":"message_stop"}`)
	equal(t, "body", strings.TrimPrefix(got, head), want.String()+"0\r\n\r\n")
}

// ask makes the body of a request with one text of the user and further members.
func ask(text, members string) string {
	quoted, _ := json.Marshal(text)
	return fmt.Sprintf(`{"model":"m","max_tokens":100,"messages":[{"role":"user","content":%s}]%s}`, quoted, members)
}

// sketch is the content of an answer on one line: kinds, texts and inputs, and the stop reason.
func sketch(t *testing.T, p *simulate.Provider, body string) string {
	t.Helper()
	_, out := do(t, p, "POST", "/v1/messages", body)
	var m struct {
		Content []struct {
			Type, Text, Thinking, Signature, ID, Name string
			Input                                     json.RawMessage
		}
		StopReason   string `json:"stop_reason"`
		StopSequence string `json:"stop_sequence"`
	}
	if err := json.Unmarshal([]byte(out), &m); err != nil {
		t.Fatalf("%v in %q", err, out)
	}
	var parts []string
	for _, b := range m.Content {
		switch b.Type {
		case "thinking":
			parts = append(parts, fmt.Sprintf("thinking(%s|%t)", b.Thinking, b.Signature != ""))
		case "tool_use":
			parts = append(parts, b.Name+string(b.Input))
		default:
			parts = append(parts, b.Text)
		}
	}
	return strings.Join(append(parts, m.StopReason+m.StopSequence), " / ")
}

// sketchStream is sketch for the events of a stream, which it checks on the way.
func sketchStream(t *testing.T, p *simulate.Provider, body string) string {
	t.Helper()
	var parts []string
	var current, kind, signature, stop string
	for _, e := range events(t, p, strings.TrimSuffix(body, "}")+`,"stream":true}`) {
		name, data, _ := strings.Cut(strings.TrimPrefix(e, "event: "), "\ndata: ")
		var v struct {
			Type         string
			ContentBlock struct{ Type, Name string } `json:"content_block"`
			Delta        struct {
				Text, Thinking, Signature string
				PartialJSON               string `json:"partial_json"`
				StopReason                string `json:"stop_reason"`
				StopSequence              string `json:"stop_sequence"`
			}
		}
		if err := json.Unmarshal([]byte(data), &v); err != nil || v.Type != name {
			t.Fatalf("event %q: %v", e, err)
		}
		switch name {
		case "content_block_start":
			current, kind, signature = v.ContentBlock.Name, v.ContentBlock.Type, ""
		case "content_block_delta":
			current += v.Delta.Text + v.Delta.Thinking + v.Delta.PartialJSON
			signature += v.Delta.Signature
		case "content_block_stop":
			if kind == "thinking" {
				current = fmt.Sprintf("thinking(%s|%t)", current, signature != "")
			}
			parts = append(parts, current)
		case "message_delta":
			stop = v.Delta.StopReason + v.Delta.StopSequence
		}
	}
	return strings.Join(append(parts, stop), " / ")
}

func TestTheRequestDecidesWhatAnAnswerHolds(t *testing.T) {
	t.Parallel()
	p := start(t, simulate.Options{Name: "s"})
	f := func(body, want string) {
		t.Helper()
		equal(t, "message to "+body, sketch(t, p, body), want)
		// Deltas that add up to nothing are an empty object.
		equal(t, "stream to "+body, sketchStream(t, p, body), strings.ReplaceAll(want, "B{}", "B"))
	}
	const tools = `,"tools":[{"name":"A","input_schema":{"type":"object","required":["cmd","n","on","l","o","e","u","z"],"properties":{` +
		`"z":{"type":"null"},"cmd":{"type":"string"},"n":{"type":["integer","null"]},"on":{"type":"boolean"},"l":{"type":"array"},` +
		`"o":{"type":"object"},"e":{"type":"string","enum":["x","y"]}}}},{"name":"B","input_schema":{"type":"object"}}]`
	const callA = `A{"cmd":"s","n":1,"on":true,"l":[],"o":{},"e":"x","u":"s","z":null}`

	f(ask("hi \t\n<you> \"&\" \\ ü", ""), `I am s. You said: hi <you> "&" \ ü / end_turn`)
	f(ask("", ""), "I am s. You said: nothing / end_turn")
	f(ask(strings.Repeat("ü", 150), ""), "I am s. You said: "+strings.Repeat("ü", 100)+" / end_turn")
	f(ask("x"+strings.Repeat("ü", 150), ""), "I am s. You said: x"+strings.Repeat("ü", 99)+" / end_turn")

	f(ask("please use the tool", ""), "I am s. You said: please use the tool / end_turn")
	f(ask("please use a tool", tools), "I am s. You said: please use a tool / end_turn")
	f(ask("use the tools", tools+`,"tool_choice":{"type":"none"}`), "I am s. You said: use the tools / end_turn")
	f(ask("hi", tools+`,"tool_choice":{"type":"tool","name":"B"}`), "I am s. I use the tool. / B{} / tool_use")
	f(ask("use the tools", tools+`,"tool_choice":{"type":"auto","disable_parallel_tool_use":true},"thinking":{"type":"disabled"}`),
		"I am s. I use the tool. / "+callA+" / tool_use")
	f(ask("use the tools", tools), "I am s. I use the tool. / "+callA+" / B{} / tool_use")

	f(ask("hi", `,"thinking":{"type":"enabled","budget_tokens":1024}`),
		"thinking(The user wants an answer. I have one.|true) / I am s. You said: hi / end_turn")
	f(ask("hi", `,"thinking":{"type":"adaptive","display":"omitted"}`), "thinking(|true) / I am s. You said: hi / end_turn")

	f(ask("hi", `,"stop_sequences":["absent","","You s"]`), "I am s.  / stop_sequenceYou s")
	f(ask("hi", `,"stop_sequences":["said","You","hi"]`), "I am s.  / stop_sequenceYou")
	f(ask("hi", `,"max_tokens":2`), "I am  / max_tokens")
	f(ask("hi", `,"max_tokens":3,"thinking":{"type":"adaptive"}`), "thinking(The user wants |true) / max_tokens")
	f(ask("hi", `,"max_tokens":8,"thinking":{"type":"adaptive"}`),
		"thinking(The user wants an answer. I have one.|true) / max_tokens")
	f(ask("use the tool", tools+`,"max_tokens":9`), "I am s. I use the tool. / max_tokens")

	f(`{"model":"m","max_tokens":50,"messages":[{"role":"user","content":[{"type":"text","text":"a"},{"type":"text","text":"b"}]},`+
		`{"role":"system","content":"s"}]}`, "I am s. You said: b / end_turn")
	f(`{"model":"m","max_tokens":50,"messages":[{"role":"user","content":[{"type":"tool_result","tool_use_id":"t","content":"r1"},`+
		`{"type":"tool_result","tool_use_id":"u","content":[{"type":"text","text":"r2"}]}]}]}`, "I am s. The tool said: r2 / end_turn")
	f(`{"model":"m","max_tokens":50,"messages":[{"role":"user","content":[{"type":"text","text":"a"},`+
		`{"type":"tool_result","tool_use_id":"t","content":"r1"}]}]}`, "I am s. You said: a / end_turn")
	f(`{"model":"m","max_tokens":50,"messages":[{"role":"assistant","content":"x"}]}`, "I am s. You said: nothing / end_turn")
}

func TestParallelCallsStreamTheirInputsUnderTheirOwnIndexFromAnEmptyPartOn(t *testing.T) {
	t.Parallel()
	p := start(t, simulate.Options{Name: "s"})
	body := ask("use the tools", `,"stream":true,"tools":[{"name":"A","input_schema":{"required":["agröße"],"properties":{}}},`+
		`{"name":"B","input_schema":{"required":["k"]}}]`)
	var got []string
	for _, e := range events(t, p, body) {
		if strings.Contains(e, `"index":1`) || strings.Contains(e, `"index":2`) {
			_, data, _ := strings.Cut(e, `"index":`)
			got = append(got, strings.TrimSuffix(data, "\n\n"))
		}
	}
	want := []string{
		`1,"content_block":{"type":"tool_use","id":"toolu_s_000001","name":"A","input":{}}}`,
		`1,"delta":{"type":"input_json_delta","partial_json":""}}`,
		`1,"delta":{"type":"input_json_delta","partial_json":"{\"agröß"}}`,
		`1,"delta":{"type":"input_json_delta","partial_json":"e\":\"s\"}"}}`,
		`1}`,
		`2,"content_block":{"type":"tool_use","id":"toolu_s_000001_1","name":"B","input":{}}}`,
		`2,"delta":{"type":"input_json_delta","partial_json":""}}`,
		`2,"delta":{"type":"input_json_delta","partial_json":"{\"k\":\"s\""}}`,
		`2,"delta":{"type":"input_json_delta","partial_json":"}"}}`,
		`2}`,
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("\n got %s\nwant %s", strings.Join(got, "\n     "), strings.Join(want, "\n     "))
	}
}

func TestTheSignatureComesLastInAThinkingBlock(t *testing.T) {
	t.Parallel()
	p := start(t, simulate.Options{})
	all := events(t, p, ask("hi", `,"stream":true,"thinking":{"type":"adaptive"}`))
	const opening = `"content_block":{"type":"thinking","thinking":"","signature":""}`
	if !strings.Contains(all[1], opening) || !strings.HasPrefix(all[2], "event: ping\n") ||
		!strings.Contains(all[10], `one."}}`) || !strings.Contains(all[11], `"signature_delta","signature":"`) ||
		!strings.HasPrefix(all[12], "event: content_block_stop\n") {
		t.Errorf("got %q", all[:13])
	}
	equal(t, "pings", strings.Count(strings.Join(all, ""), "event: ping\n"), 1)
}

func TestWordsAndBurstShapeAStream(t *testing.T) {
	t.Parallel()
	f := func(words, burst, deltas, chunks int) {
		t.Helper()
		p := start(t, simulate.Options{Words: words, Burst: burst})
		all := events(t, p, strings.Replace(helloStream, "100", "10000", 1))
		equal(t, "deltas", strings.Count(strings.Join(all, ""), "text_delta"), deltas)
		equal(t, "chunks", len(all), chunks)
	}
	f(0, 0, 6, 12)
	f(1, 1, 1, 7)
	f(94, 0, 94, 100)
	f(94, 5, 94, 20)
	f(0, 100, 6, 1)
}

func TestAnEventLongerThanOneWriteIsWhole(t *testing.T) {
	t.Parallel()
	p := start(t, simulate.Options{})
	long := strings.Repeat("m", 10_000)
	all := events(t, p, strings.Replace(helloStream, "claude-x", long, 1))
	if joined := strings.Join(all, ""); !strings.Contains(joined, `"model":"`+long+`","content":[]`) || len(all[0]) > 10_000 {
		t.Errorf("got %q", all)
	}
}

func TestUsageCountsTheCachedPartOfTheInput(t *testing.T) {
	t.Parallel()
	p := start(t, simulate.Options{})
	f := func(body string, input, creation, read int) {
		t.Helper()
		var m struct {
			Usage struct {
				Input    int            `json:"input_tokens"`
				Creation int            `json:"cache_creation_input_tokens"`
				Read     int            `json:"cache_read_input_tokens"`
				TTL      map[string]int `json:"cache_creation"`
				Details  struct {
					T int `json:"thinking_tokens"`
				} `json:"output_tokens_details"`
			}
		}
		_, out := do(t, p, "POST", "/v1/messages", body)
		if err := json.Unmarshal([]byte(out), &m); err != nil {
			t.Fatal(err)
		}
		u := m.Usage
		equal(t, body, [4]int{u.Input, u.Creation, u.Read, u.TTL["ephemeral_5m_input_tokens"]}, [4]int{input, creation, read, creation})
	}
	const system = `,"system":[{"type":"text","text":"0123456789","cache_control":{"type":"ephemeral"}}]` // 75 bytes of value
	f(ask("abcdef", ""), 3, 0, 0)
	f(ask("abcdef", system), 3, 18, 0)
	f(`{"model":"m","max_tokens":50,"messages":[{"role":"user","content":"abcdef"},{"role":"system","content":"abcdef"}]`+system+`}`,
		3, 20, 0)
	f(`{"model":"m","max_tokens":50,"messages":[{"role":"user","content":"abcdef"},{"role":"assistant","content":"abcdef"},`+
		`{"role":"user","content":"abcdef"}]`+system+`}`, 3, 0, 22)
}

func TestThinkingTokensAreAPartOfTheOutputTokens(t *testing.T) {
	t.Parallel()
	p := start(t, simulate.Options{})
	all := events(t, p, ask("hi", `,"stream":true,"thinking":{"type":"adaptive"}`))
	if !strings.Contains(all[0], `"output_tokens":1,"output_tokens_details":{"thinking_tokens":0}`) {
		t.Errorf("got %q", all[0])
	}
	if delta := all[len(all)-2]; !strings.Contains(delta, `"output_tokens":14,"output_tokens_details":{"thinking_tokens":8}`) {
		t.Errorf("got %q", delta)
	}
}
