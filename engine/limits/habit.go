package limits

import "sluice/engine"

const (
	firstOutput = 2000 // tokens that an answer is taken to have before the first one was seen
	firstInput  = 0.25 // tokens in a byte of body, likewise
	habitWeight = 0.2  // of the newest answer in the running means
	maxHabits   = 256  // models a principal is remembered for
)

// habit is what the answers to one principal from one model were like so far.
type habit struct {
	answers int64
	output  float64 // running mean of an answer's tokens
	perByte float64 // running mean of the tokens of input in a byte of body
}

// newHabit is that of which nothing is known.
func newHabit() *habit { return &habit{output: firstOutput, perByte: firstInput} }

// habit must be called with mu held. A principal that asks for ever new models is not remembered for all of them.
func (a *account) habit(model string) *habit {
	h := a.habits[model]
	if h == nil {
		if len(a.habits) == maxHabits {
			clear(a.habits)
		}
		h = newHabit()
		a.habits[model] = h
	}
	return h
}

// learn takes in an answer that was heard to its end.
func (h *habit) learn(u engine.Usage, bytes int) {
	h.answers++
	weight := max(habitWeight, 1/float64(h.answers))
	h.output += (float64(u.OutputTokens) - h.output) * weight
	if bytes > 0 {
		h.perByte += (float64(u.InputTokens+u.CacheCreationInputTokens)/float64(bytes) - h.perByte) * weight
	}
}

// expect is the usage that a request will likely have. Clients ask for far more output than they use: what they may get at most is no
// estimate.
func (h *habit) expect(d engine.Demand) engine.Usage {
	output := int64(h.output + 0.5)
	if d.MaxTokens > 0 {
		output = min(output, d.MaxTokens)
	}
	return engine.Usage{InputTokens: int64(h.perByte*float64(d.Bytes) + 0.5), OutputTokens: output}
}
