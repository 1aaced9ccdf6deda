package proxy

import (
	"sluice/engine"
	"sluice/engine/body"
)

// maxUsageBody is up to which size, in bytes, an answer that is no stream is kept to read its usage from.
const maxUsageBody = 4 << 20

var (
	ofMessage = []string{"usage", "model"} // the members that tell its cost
	ofStart   = []string{"message"}        // that of a stream's first event
)

// hearStart takes in what the first event of a stream tells of its cost.
func (x *exchange) hearStart(json []byte) {
	if told, err := body.Pick(json, ofStart...); err == nil {
		x.hear(told[0].Raw())
	}
}

// hear takes in what a message, or an event of that form, tells of its cost: its model and the counters of its usage. A counter that is
// absent or null stays as it was. All of them zero tell nothing: no answer is made of no tokens, but a dialect writes zeros where its
// upstream told no usage.
func (x *exchange) hear(json []byte) {
	told, err := body.Pick(json, ofMessage...)
	if err != nil {
		return
	}
	usage, model := told[0], told[1]
	u := &x.record.Usage
	for key, v := range usage.Members() {
		switch string(key) {
		case `"input_tokens"`:
			take(u, v, &u.InputTokens)
		case `"output_tokens"`:
			take(u, v, &u.OutputTokens)
		case `"cache_creation_input_tokens"`:
			take(u, v, &u.CacheCreationInputTokens)
		case `"cache_read_input_tokens"`:
			take(u, v, &u.CacheReadInputTokens)
		case `"cache_creation"`:
			kept, _ := v.Get(body.Path{"ephemeral_1h_input_tokens"})
			if n, ok := kept.Int(); ok && n >= 0 {
				u.CacheCreation1hTokens = n
			}
		}
	}
	if model.Kind() != body.Absent && !x.asked(model) {
		answered, _ := model.Text()
		x.record.Answered = engine.Cut(x.flow.Hide(answered), maxModel)
	}
}

// maxModel caps the name of a model, in bytes. Those of clouds are addresses of some 100.
const maxModel = 512

// asked reports whether the model is the one that the client asked for. It takes no memory.
func (x *exchange) asked(model body.Value) bool {
	raw := model.Raw()
	return len(raw) == len(x.req.Model)+2 && string(raw[1:len(raw)-1]) == x.req.Model
}

// maxCount is more tokens than any answer has: what an upstream counts beyond it must not make a sum wrap.
const maxCount = 1_000_000_000

func take(u *engine.Usage, v body.Value, into *int64) {
	if n, ok := v.Int(); ok && n >= 0 {
		n = min(n, maxCount)
		*into, u.Known = n, u.Known || n > 0
	}
}
