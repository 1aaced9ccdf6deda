package limits

import (
	"math"
	"strconv"
	"time"

	"sluice/engine"
)

// told are the kinds that the API has headers for.
var told = [...]struct {
	kind                    Kind
	limit, remaining, reset string
}{
	{Requests, "anthropic-ratelimit-requests-limit", "anthropic-ratelimit-requests-remaining", "anthropic-ratelimit-requests-reset"},
	{TotalTokens, "anthropic-ratelimit-tokens-limit", "anthropic-ratelimit-tokens-remaining", "anthropic-ratelimit-tokens-reset"},
	{InputTokens, "anthropic-ratelimit-input-tokens-limit", "anthropic-ratelimit-input-tokens-remaining", "anthropic-ratelimit-input-tokens-reset"},
	{OutputTokens, "anthropic-ratelimit-output-tokens-limit", "anthropic-ratelimit-output-tokens-remaining", "anthropic-ratelimit-output-tokens-reset"},
}

// Headers tell of the tightest limit of each of these kinds.
func (s *Set) Headers(now time.Time) engine.Headers {
	at := s.book.at(now)
	var room [3 * len(told) * len(time.RFC3339)]byte
	text := room[:0] // all values, made one string in the end
	var ends [3 * len(told)]int
	var out engine.Headers
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range told {
		b := s.tightest(told[i].kind, at)
		if b == nil {
			continue
		}
		if out == nil {
			out = make(engine.Headers, 0, len(ends))
		}
		add := func(name string) {
			ends[len(out)] = len(text)
			out = append(out, engine.Header{Name: name})
		}
		text = strconv.AppendInt(text, b.Max, 10)
		add(told[i].limit)
		text = strconv.AppendInt(text, b.left(), 10)
		add(told[i].remaining)
		text = resets(now.Add(b.used.frees(at, 0))).AppendFormat(text, time.RFC3339)
		add(told[i].reset)
	}
	values, start := string(text), 0
	for i := range out {
		out[i].Value = values[start:ends[i]]
		start = ends[i]
	}
	return out
}

// resets is a moment in whole seconds, and never before it. Clocks that disagree by microseconds give the same one.
func resets(t time.Time) time.Time {
	return t.UTC().Round(10 * time.Millisecond).Add(time.Second - 1).Truncate(time.Second)
}

// left is what a running request leaves to others.
func (b *bound) left() int64 { return max(0, b.Max-b.used.sum-b.held) }

// tightest is the rule of a kind that has the smallest part left, nil = there is none.
func (s *Set) tightest(k Kind, at time.Duration) (found *bound) {
	least := math.Inf(1)
	for i := range s.rules {
		b := &s.rules[i]
		if b.Kind != k {
			continue
		}
		b.used.advance(at)
		if part := float64(b.left()) / float64(b.Max); part < least {
			least, found = part, b
		}
	}
	return found
}
