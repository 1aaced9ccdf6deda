package simulate

import "strconv"

const ping = "event: ping\ndata: {\"type\":\"ping\"}\n\n"

// tape collects events in one buffer.
type tape struct {
	buf  []byte
	ends []int
}

func (t *tape) cut() { t.ends = append(t.ends, len(t.buf)) }

func (t *tape) add(name string, data []byte) {
	t.buf = append(append(append(t.buf, "event: "...), name...), "\ndata: "...)
	t.buf = append(append(t.buf, data...), "\n\n"...)
	t.cut()
}

func (t *tape) ping() {
	t.buf = append(t.buf, ping...)
	t.cut()
}

func (t *tape) delta(index int, kind, key, value string) {
	b := append(t.buf, "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":"...)
	b = strconv.AppendInt(b, int64(index), 10)
	b = append(append(b, `,"delta":{"type":"`...), kind...)
	b = append(append(b, `","`...), key...)
	b = appendString(append(b, `":`...), value)
	t.buf = append(b, "}}\n\n"...)
	t.cut()
}

func (t *tape) events() [][]byte {
	out, start := make([][]byte, len(t.ends)), 0
	for i, end := range t.ends {
		out[i] = t.buf[start:end:end]
		start = end
	}
	return out
}

type (
	messageStart struct {
		Type    string      `json:"type"`
		Message wireMessage `json:"message"`
	}
	blockStart struct {
		Type  string `json:"type"`
		Index int    `json:"index"`
		Block any    `json:"content_block"`
	}
	blockStop struct {
		Type  string `json:"type"`
		Index int    `json:"index"`
	}
	messageDelta struct {
		Type  string     `json:"type"`
		Delta stopDelta  `json:"delta"`
		Usage deltaUsage `json:"usage"`
	}
	stopDelta struct {
		StopReason   string  `json:"stop_reason"`
		StopSequence *string `json:"stop_sequence"`
	}
	deltaUsage struct {
		Input         int `json:"input_tokens"`
		CacheCreation int `json:"cache_creation_input_tokens"`
		CacheRead     int `json:"cache_read_input_tokens"`
		Output        int `json:"output_tokens"`
		OutputDetails any `json:"output_tokens_details"`
	}
)

// events is the message as the events of a stream, the last one message_stop. A ping follows the start of the first block.
func (m *message) events() [][]byte {
	m.count()
	t := &tape{}
	start := m.wire()
	start.Usage.Output, start.Usage.OutputDetails.Thinking = 1, 0
	t.add("message_start", marshal(messageStart{"message_start", start}))
	for i := range m.blocks {
		t.block(i, &m.blocks[i])
	}
	t.add("message_delta", marshal(messageDelta{
		Type:  "message_delta",
		Delta: stopDelta{m.stop, m.sequence()},
		Usage: deltaUsage{m.usage.Input, m.usage.CacheCreation, m.usage.CacheRead, m.usage.Output, m.usage.OutputDetails},
	}))
	t.add("message_stop", []byte(`{"type":"message_stop"}`))
	return t.events()
}

func (t *tape) block(index int, b *block) {
	t.add("content_block_start", marshal(blockStart{"content_block_start", index, b.opening()}))
	if index == 0 {
		t.ping()
	}
	kind, key := b.deltaNames()
	if b.kind == "tool_use" {
		t.delta(index, kind, key, "")
	}
	for _, piece := range b.pieces {
		t.delta(index, kind, key, piece)
	}
	if b.kind == "thinking" {
		t.delta(index, "signature_delta", "signature", b.signature)
	}
	t.add("content_block_stop", marshal(blockStop{"content_block_stop", index}))
}

// errorEvents are errorEvent in the frames of the answer.
func (x *exchange) errorEvents() [][]byte {
	if x.p.opts.Kind == KindOpenAI {
		t := &chatTape{}
		t.event(marshal(chatProblemOf("overloaded_error", "The server is overloaded")))
		return t.events()
	}
	events := [][]byte{x.errorEvent()}
	if x.asked != nil && x.asked.framed {
		return framed(events)
	}
	return events
}

// errorEvent is what the API sends when it gives up in the middle of a stream.
func (x *exchange) errorEvent() []byte {
	t := &tape{}
	t.add("error", marshal(problem{"error", cause{"overloaded_error", "Overloaded"}, x.p.requestID(x.req.Number)}))
	return t.buf
}
