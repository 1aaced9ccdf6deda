package conformance_test

import (
	"encoding/binary"
	"encoding/json"
	"math/rand/v2"
	"strings"
)

// chance makes up values. What it draws follows from its source alone.
type chance struct{ *rand.Rand }

// tape is a source that gives what a fuzzer wrote, and goes on by itself after it.
type tape struct {
	left []byte
	rand.PCG
}

func (t *tape) Uint64() uint64 {
	if len(t.left) == 0 {
		return t.PCG.Uint64()
	}
	var word [8]byte
	t.left = t.left[copy(word[:], t.left):]
	return binary.LittleEndian.Uint64(word[:])
}

// one is true once in n times.
func (c chance) one(n int) bool { return c.IntN(n) == 0 }

func (c chance) of(texts ...string) string { return texts[c.IntN(len(texts))] }

// texts are those that scripts look for and those that are hard to deal with.
var texts = []string{"", "a", "b", "gold", "silver", "eu", "x y", "*", "über", "a\nb", "\x00", "\"", "null", "true", "0", "1e3", "[\"gold\"]", "%s", "%d%%", "$1",
	"sk-ant-0123456789abcdef", "me@example.org", "claude-sonnet-4-5", "anthropic.claude-x", strings.Repeat("long ", 80), "\U0001f600", "5h", "\\"}

func (c chance) text() string {
	if c.one(4) {
		return c.of(texts...) + c.of(texts...)
	}
	return c.of(texts...)
}

func (c chance) name() string {
	return c.of("a", "b", "c", "direct", "big", "small-1", "small-2", "spare", "sim-a", "new")
}

func (c chance) model() string {
	return c.of("claude-sonnet-4-5", "claude-sonnet-4-5-20250929", "claude-haiku-4-5", "claude-opus-4-1-20250805", "claude-x", "own-x", "anthropic.claude-x-v1:0",
		"arn:aws:bedrock:us-east-1:1:inference-profile/x", "claude-3-20201232", "x/y z", "gpt-5", "")
}

func (c chance) number() any {
	switch c.IntN(5) {
	case 0:
		return c.IntN(3)
	case 1:
		return -c.IntN(1000)
	case 2:
		return int64(1)<<53 + int64(c.IntN(3)) - 1
	case 3:
		return c.Float64()
	}
	return float64(c.IntN(400)) / 4
}

// value is any JSON value.
func (c chance) value(depth int) any {
	switch n := c.IntN(8); {
	case n == 0:
		return nil
	case n == 1:
		return c.one(2)
	case n == 2:
		return c.number()
	case n < 6 || depth == 0:
		return c.text()
	case n == 6:
		return c.list(4, func() any { return c.value(depth - 1) })
	}
	return c.object(4, c.text, func() any { return c.value(depth - 1) })
}

func (c chance) list(most int, one func() any) []any {
	out := make([]any, c.IntN(most+1))
	for i := range out {
		out[i] = one()
	}
	return out
}

func (c chance) texts(most int, one func() string) []any {
	return c.list(most, func() any { return one() })
}

// object has random keys.
func (c chance) object(most int, key func() string, value func() any) map[string]any {
	out := map[string]any{}
	for range c.IntN(most + 1) {
		out[key()] = value()
	}
	return out
}

// some leaves each of the fields out at times, so that the sample's stands.
func (c chance) some(fields map[string]func() any) map[string]any {
	out := map[string]any{}
	for _, name := range sortedKeys(fields) {
		if c.one(2) {
			out[name] = fields[name]()
		}
	}
	return out
}

// bent puts any value in the place of some, below v and at times of v itself.
func (c chance) bent(v any) any {
	if c.one(20) {
		return c.value(2)
	}
	switch v := v.(type) {
	case []any:
		for i := range v {
			v[i] = c.bent(v[i])
		}
	case map[string]any:
		for _, key := range sortedKeys(v) {
			v[key] = c.bent(v[key])
		}
	}
	return v
}

// json is a document with its keys in any order, each at most once, and blanks in between at times. Some of its values are not of the form
// that is wanted there.
func (c chance) json(fields map[string]func() any) string {
	keys := sortedKeys(fields)
	c.Shuffle(len(keys), func(i, j int) { keys[i], keys[j] = keys[j], keys[i] })
	var parts []string
	for _, key := range keys {
		if c.one(3) {
			continue
		}
		value, err := json.Marshal(c.bent(fields[key]()))
		if err != nil {
			panic(err)
		}
		parts = append(parts, `"`+key+`":`+c.of("", " ")+string(value))
	}
	return "{" + strings.Join(parts, ","+c.of("", " ", "\n")) + "}"
}
