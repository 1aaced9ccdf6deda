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
	usage, ok := top.Value().Get(path)
	if !ok || usage.Kind() != body.Object {
		return
	}
	take := func(key string, into *int64) {
		v, _ := usage.Get(body.Path{key})
		if n, ok := v.Int(); ok && n >= 0 {
			*into = n
			u.Known = u.Known || n > 0
		}
	}
	take("input_tokens", &u.InputTokens)
	take("output_tokens", &u.OutputTokens)
	take("cache_creation_input_tokens", &u.CacheCreationInputTokens)
	take("cache_read_input_tokens", &u.CacheReadInputTokens)
	if kept, ok := usage.Get(body.Path{"cache_creation", "ephemeral_1h_input_tokens"}); ok {
		if n, ok := kept.Int(); ok && n >= 0 {
			u.CacheCreation1hTokens = n
		}
	}
}
