package runtimes

import (
	"bytes"
	"strings"

	"sluice/engine"
)

// probeAnswer gives a dialect the answer that an upstream would give to the request it shaped.
func probeAnswer(d engine.Dialect, sent *Sent) error {
	answering, ok := d.(engine.AnswerDialect)
	if !ok {
		return nil
	}
	responses, events := answering.Transforms()
	reply, stream := sampleOf(sent)
	if responses && reply != nil {
		state := *sent.State
		asked := SampleRequest()
		asked.Stream, asked.Body = false, bytes.Replace(asked.Body, []byte(`,"stream":true`), nil, 1)
		if _, err := answering.TransformResponse(asked, &state, reply); err != nil {
			return err
		}
	}
	for i := 0; events && i < len(stream); i++ {
		if _, err := answering.TransformEvent(SampleRequest(), sent.State, stream[i]); err != nil {
			return err
		}
	}
	return nil
}

// sampleOf is an answer and a stream in the wire that a request was shaped for: Anthropic's, chat completions, or one that is not known,
// of which nothing but the end can be told.
func sampleOf(sent *Sent) (*engine.Reply, []engine.StreamEvent) {
	end := engine.StreamEvent{Name: engine.EndEvent, End: true, Complete: true}
	path, _, _ := strings.Cut(sent.RequestURI(), "?")
	switch {
	case strings.HasSuffix(path, "/chat/completions"):
		r := sampleReply()
		r.Body = []byte(sampleCompletion)
		return r, append(streamOf(sampleChunks), end)
	case sent.Upstream().Kind != engine.KindCustom, strings.HasSuffix(path, "/v1/messages"):
		return sampleReply(), append(streamOf(sampleStream), end)
	}
	return nil, []engine.StreamEvent{end}
}

// streamOf makes events of lines: a name, a space and the data.
func streamOf(lines string) []engine.StreamEvent {
	var out []engine.StreamEvent
	for line := range strings.SplitSeq(strings.Trim(lines, "\n"), "\n") {
		name, data, _ := strings.Cut(line, " ")
		out = append(out, engine.StreamEvent{Name: name, Data: []byte(data)})
	}
	return out
}

const sampleStream = `
message_start {"type":"message_start","message":{"id":"msg_01A","type":"message","role":"assistant","model":"claude-sonnet-4-5","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":12,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":1}}}
content_block_start {"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}
ping {"type": "ping"}
content_block_delta {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"It prints"}}
content_block_stop {"type":"content_block_stop","index":0}
content_block_start {"type":"content_block_start","index":1,"content_block":{"type":"tool_use","id":"toolu_01B","name":"Read","input":{}}}
content_block_delta {"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":"{\"file_path\":\"go.mod\"}"}}
content_block_stop {"type":"content_block_stop","index":1}
message_delta {"type":"message_delta","delta":{"stop_reason":"tool_use","stop_sequence":null},"usage":{"output_tokens":24}}
message_stop {"type":"message_stop"}
`

const sampleCompletion = `{"id":"chatcmpl-1","object":"chat.completion","created":1768478400,"model":"gpt-5","choices":[{"index":0,` +
	`"message":{"role":"assistant","content":"It prints a greeting."},"finish_reason":"stop"}],` +
	`"usage":{"prompt_tokens":12,"completion_tokens":6,"total_tokens":18}}`

const sampleChunks = `
 {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1768478400,"model":"gpt-5","choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}]}
 {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1768478400,"model":"gpt-5","choices":[{"index":0,"delta":{"content":"It prints"},"finish_reason":null}]}
 {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1768478400,"model":"gpt-5","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}
 {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1768478400,"model":"gpt-5","choices":[],"usage":{"prompt_tokens":12,"completion_tokens":6,"total_tokens":18}}
 [DONE]
`
