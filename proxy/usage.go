package proxy

import (
	"sluice/engine"
	"sluice/engine/body"
)

// maxUsageBody is up to which size, in bytes, an answer that is no stream is kept to read its usage from.
const maxUsageBody = 4 << 20

// overlay takes the counters of the usage object at path into u. One that is absent or null stays as it was. All of them zero tell
// nothing: no answer is made of no tokens, but a dialect writes zeros where its upstream told no usage.
func overlay(u *engine.Usage, json []byte, path ...string) {
	top, err := body.Scan(json)
	if err != nil {
		return
	}
	usage, ok := top.Get(path[0])
	if ok {
		usage, _ = usage.Get(path[1:])
	}
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
}

// maxCount is more tokens than any answer has: what an upstream counts beyond it must not make a sum wrap.
const maxCount = 1_000_000_000

func take(u *engine.Usage, v body.Value, into *int64) {
	if n, ok := v.Int(); ok && n >= 0 {
		n = min(n, maxCount)
		*into, u.Known = n, u.Known || n > 0
	}
}
