package conformance_test

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
)

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// input makes up the arguments of a hook, as the fixtures write them.
func (c chance) input(hook string) map[string]any {
	in := map[string]any{}
	switch hook {
	case "filter", "drop", "route":
		in["ctx"], in["principal"] = c.ctx(), c.principal()
		list := []any{}
		names := []string{"a", "b", "big", "small-1", "small-2", "spare", "sim-a"} // no two of one name: ids follow from them
		c.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
		for _, name := range names[:1+c.IntN(len(names))] {
			list = append(list, c.upstream(name, true))
		}
		in["candidates"] = list
	case "shape":
		in["ctx"], in["principal"], in["upstream"] = c.ctx(), c.principal(), c.upstream(c.name(), false)
	case "normalize_error":
		in["status"] = []int{0, 400, 401, 403, 404, 413, 418, 429, 500, 502, 503, 504, 529}[c.IntN(13)]
		in["headers"] = c.headers()
		in["body"] = c.errorBody()
	case "transform_response":
		in["ctx"], in["upstream"] = c.ctx(), c.upstream(c.name(), false)
		in["response"] = c.some(map[string]func() any{"status": func() any { return 200 + c.IntN(5) }, "headers": func() any { return c.headers() },
			"body": func() any { return c.answerBody() }})
	case "transform_event":
		in["ctx"], in["upstream"], in["events"] = c.ctx(), c.upstream(c.name(), false), c.events()
	case "observe":
		in["event"] = c.event()
	}
	return in
}

func (c chance) ctx() map[string]any {
	return c.some(map[string]func() any{
		"request_id": func() any { return c.text() },
		"session_id": func() any { return c.text() },
		"method":     func() any { return c.of("POST", "GET") },
		"path":       func() any { return c.of("/v1/messages", "/v1/messages/count_tokens", "/v1/models") },
		"headers":    func() any { return c.headers() },
		"now_ms":     func() any { return c.Int64N(4102444800000) },
		"attempt":    func() any { return 1 + c.IntN(3) },
		"body":       func() any { return c.requestBody() },
	})
}

func (c chance) principal() map[string]any {
	return c.some(map[string]func() any{
		"name": func() any { return c.of("alice", "bob", "x y", "über") },
		"claims": func() any {
			return c.object(4, func() string { return c.of("tier", "team", "any_time", "name") }, func() any { return c.value(2) })
		},
	})
}

func (c chance) upstream(name string, candidate bool) map[string]any {
	fields := map[string]func() any{
		"kind":    func() any { return c.of("anthropic_direct", "bedrock_runtime", "bedrock_mantle", "vertex", "custom") },
		"region":  func() any { return c.of("us-east-1", "eu", "global", "") },
		"project": func() any { return c.of("p", "my-project", "") },
		"base_url": func() any {
			return "https://" + c.of("up.example", "up.example/v1", "up.example/anthropic", "up.example:8443")
		},
		"labels": func() any {
			return c.object(4, func() string { return c.of("tier", "canary", "team", "new") }, func() any { return c.value(2) })
		},
		"models": func() any {
			return c.object(3, c.model, func() any { return c.model() })
		},
		"weight":   func() any { return c.IntN(10) },
		"priority": func() any { return c.IntN(10) },
	}
	if candidate {
		fields["quotas"] = func() any {
			return c.object(3, func() string { return c.of("5h", "7d", "7d_opus") }, func() any { return c.Float64() * 1.2 })
		}
		fields["cache"] = func() any { return c.IntN(3) * 500 }
		fields["healthy"] = func() any { return c.one(2) }
		fields["in_flight"] = func() any { return c.IntN(200) }
	}
	out := c.some(fields)
	out["name"] = name
	return out
}

func (c chance) headers() map[string]any {
	return c.some(map[string]func() any{
		"anthropic-beta": func() any {
			return c.texts(3, func() string {
				return c.of("interleaved-thinking-2025-05-14", "advanced-tool-use-2025-11-20, context-1m-2025-08-07", "unknown", " ", "a,,b")
			})
		},
		"anthropic-version":  func() any { return "2023-06-01" },
		"x-amzn-errortype":   func() any { return c.awsError() + c.of("", ":http://x/") },
		"x-app":              func() any { return "cli" },
		"Content-Type":       func() any { return c.of("application/json", "text/html") },
		"x-request-priority": func() any { return c.of("1", "high") },
	})
}

func (c chance) awsError() string {
	return c.of("ThrottlingException", "ValidationException", "AccessDeniedException", "odd#modelErrorException", "Unknown", "")
}

// content is that of a message: a text or blocks.
func (c chance) content() any {
	if c.one(2) {
		return c.text()
	}
	return c.list(3, func() any {
		switch c.IntN(4) {
		case 0:
			return map[string]any{"type": "tool_use", "id": c.text(), "name": c.text(), "input": c.object(2, c.text, func() any { return c.value(2) })}
		case 1:
			return map[string]any{"type": "tool_result", "tool_use_id": c.text(), "is_error": c.one(2),
				"content": []any{c.of("", "plain", "sk-ant-0123456789abcdef"), []any{map[string]any{"type": "text", "text": c.text()}}}[c.IntN(2)]}
		case 2:
			return map[string]any{"type": c.of("image", "document"), "title": c.text(),
				"source": map[string]any{"type": c.of("base64", "url", "text", "file"), "media_type": "image/png", "data": "AAAA", "url": "https://x/y"}}
		}
		return map[string]any{"type": "text", "text": c.text()}
	})
}

// requestBody is one of the API, at times one that is none.
func (c chance) requestBody() string {
	if c.one(10) {
		return c.of("", "{}", "[]", "null", "no json", `{"model":`, `{"model":7}`)
	}
	return c.json(map[string]func() any{
		"model":      func() any { return c.model() },
		"stream":     func() any { return c.one(2) },
		"max_tokens": func() any { return 1 + c.IntN(64000) },
		"system":     func() any { return c.content() },
		"messages": func() any {
			return c.list(4, func() any { return map[string]any{"role": c.of("user", "assistant", "system"), "content": c.content()} })
		},
		"tools": func() any {
			return c.list(3, func() any {
				return c.some(map[string]func() any{"type": func() any { return c.of("custom", "web_search_20250305", "code_execution_1", "bash_20250124") },
					"name": func() any { return c.text() }, "strict": func() any { return true }, "defer_loading": func() any { return c.one(2) },
					"input_examples": func() any { return []any{} }, "input_schema": func() any { return c.value(3) }})
			})
		},
		"cache_control":      func() any { return c.value(1) },
		"context_management": func() any { return c.value(1) },
		"service_tier":       func() any { return c.text() },
		"anthropic_version":  func() any { return c.text() },
		"metadata":           func() any { return c.object(2, c.text, func() any { return c.value(2) }) },
		"temperature":        func() any { return c.Float64() },
		"stop_sequences":     func() any { return c.texts(6, c.text) },
		"thinking":           func() any { return map[string]any{"type": c.of("enabled", "disabled"), "budget_tokens": c.IntN(40000)} },
		"output_config": func() any {
			return c.some(map[string]func() any{"effort": func() any { return c.of("low", "max", "odd") },
				"format": func() any { return map[string]any{"type": "json_schema", "schema": c.value(2)} }})
		},
		"tool_choice": func() any {
			return map[string]any{"type": c.of("auto", "any", "tool", "none", "odd"), "name": c.text(), "disable_parallel_tool_use": c.one(2)}
		},
		"odd": func() any { return c.value(3) },
	})
}

func (c chance) errorBody() any {
	switch c.IntN(6) {
	case 0:
		return c.of("", "<html>", "no json", "[]", "null", "7")
	case 1:
		return map[string]any{"type": "error", "error": map[string]any{"type": c.of("rate_limit_error", ""), "message": c.text()}}
	case 2:
		return []any{map[string]any{"error": map[string]any{"code": 429, "message": c.value(1), "status": c.text()}}}
	case 3:
		return c.value(3)
	}
	return c.json(map[string]func() any{
		"message":   func() any { return c.of("slow", "Input is too long for requested model.", "") },
		"Message":   func() any { return c.text() },
		"__type":    func() any { return c.awsError() },
		"exception": func() any { return c.awsError() },
		"error":     func() any { return c.value(2) },
		"object":    func() any { return c.of("error", "") },
		"detail":    func() any { return c.value(1) },
	})
}

// answerBody is an answer of one of the wires that there are.
func (c chance) answerBody() any {
	if c.one(8) {
		return c.of("", "no json", "[]", "{}")
	}
	return c.json(map[string]func() any{
		"id":   func() any { return c.text() },
		"type": func() any { return "message" }, "role": func() any { return "assistant" }, "model": func() any { return c.model() },
		"content":     func() any { return c.content() },
		"stop_reason": func() any { return c.of("end_turn", "tool_use") },
		"usage":       func() any { return c.usage() },
		"choices":     func() any { return c.list(2, func() any { return c.choice("message") }) },
		"created":     func() any { return c.IntN(1 << 30) },
	})
}

func (c chance) usage() any {
	return c.some(map[string]func() any{"input_tokens": func() any { return c.IntN(1000) }, "output_tokens": func() any { return c.IntN(1000) },
		"prompt_tokens": func() any { return c.IntN(1000) }, "completion_tokens": func() any { return c.IntN(1000) },
		"prompt_tokens_details":     func() any { return map[string]any{"cached_tokens": c.IntN(100)} },
		"completion_tokens_details": func() any { return map[string]any{"reasoning_tokens": c.IntN(100)} }})
}

// choice is one of the chat completions' wire: a whole message, or a delta of one.
func (c chance) choice(of string) any {
	return map[string]any{"index": c.IntN(2), "finish_reason": []any{nil, "stop", "length", "tool_calls", "content_filter", "odd"}[c.IntN(6)],
		of: c.some(map[string]func() any{"role": func() any { return "assistant" }, "content": func() any { return []any{nil, c.text()}[c.IntN(2)] },
			"reasoning_content": func() any { return c.text() }, "refusal": func() any { return c.text() },
			"tool_calls": func() any {
				return c.list(3, func() any {
					return c.some(map[string]func() any{"index": func() any { return c.IntN(3) }, "id": func() any { return c.of("", "a", "b", "a.b", "esc_a", "über") }, "type": func() any { return "function" },
						"function": func() any {
							return c.some(map[string]func() any{"name": func() any { return c.text() }, "arguments": func() any { return c.of("", "{", `{"a":1}`, `"x`, "no json") }})
						}})
				})
			}})}
}

// events are a stream: of the API, of chat completions, or of anything.
func (c chance) events() []any {
	out := c.list(12, func() any {
		switch c.IntN(6) {
		case 0:
			return map[string]any{"name": c.of("", "message_start", "odd"), "data": c.of("", "[DONE]", "no json", "[]", "{}", "null")}
		case 1:
			kind := c.of("message_start", "content_block_start", "content_block_delta", "content_block_stop", "message_delta", "message_stop", "ping", "error")
			return map[string]any{"name": kind, "data": c.json(map[string]func() any{"type": func() any { return kind }, "index": func() any { return c.IntN(3) },
				"message": func() any { return c.value(2) }, "delta": func() any { return c.value(2) }, "usage": func() any { return c.usage() }})}
		case 2, 3:
			return c.blockEvent()
		}
		return map[string]any{"name": "", "data": c.json(map[string]func() any{"id": func() any { return c.text() }, "model": func() any { return c.model() },
			"choices": func() any { return c.list(2, func() any { return c.choice("delta") }) }, "usage": func() any { return c.usage() },
			"error": func() any { return c.value(2) }, "object": func() any { return c.of("chat.completion.chunk", "chat.completion.chunk", "error") }})}
	})
	if !c.one(4) {
		out = append(out, map[string]any{"name": "$end", "complete": c.one(2)})
	}
	return out
}

// blockEvent is a part of a block, mostly of one that a stream could have. Texts are pieces of what redact looks for.
func (c chance) blockEvent() any {
	kind := c.of("content_block_start", "content_block_delta", "content_block_delta", "content_block_delta", "content_block_stop", "message_start")
	piece := func() any {
		return c.of("sk-ant-0123", "456789abcdef", "me@exam", "ple.org ", " ", "x ", "{\"a\":\"\\n", "\"}", "\\u00", "40example.org", "\\", "\"", "", "é\n")
	}
	part := func() any {
		return c.some(map[string]func() any{"type": func() any {
			return c.of("text_delta", "input_json_delta", "thinking_delta", "signature_delta", "text", "odd")
		},
			"text": piece, "partial_json": piece, "thinking": piece, "signature": piece, "odd": func() any { return c.value(1) }})
	}
	fields := map[string]func() any{"type": func() any { return kind }, "index": func() any { return []any{0, 0, 0, 1, 1.5, -1, "0", nil}[c.IntN(8)] }}
	switch kind {
	case "content_block_start":
		fields["content_block"] = part
	case "content_block_delta":
		fields["delta"] = part
	case "message_start":
		fields["message"] = func() any { return map[string]any{"content": c.list(2, part), "usage": c.usage()} }
	}
	text := c.json(fields)
	if c.one(8) {
		return map[string]any{"name": "", "data": text}
	}
	return map[string]any{"name": kind, "data": text}
}

func (c chance) event() map[string]any {
	out := map[string]any{"kind": c.of("request_started", "authn_complete", "upstream_chosen", "request_finished", "error"), "request_id": c.of("r1", "019a", "x:y")}
	switch out["kind"] {
	case "request_finished":
		maps.Copy(out, c.some(map[string]func() any{"status": func() any { return c.IntN(600) }, "model": func() any { return c.model() },
			"upstream": func() any { return c.text() }, "duration_ms": func() any { return c.IntN(1 << 30) }, "attempts": func() any { return c.IntN(4) }}))
	case "error":
		maps.Copy(out, c.some(map[string]func() any{"code": func() any { return c.text() }, "message": func() any { return c.text() }, "source": func() any { return c.text() }}))
	}
	return out
}

// config makes up what a bundled script says it reads of its config.
func (c chance) config(script string) map[string]any {
	globs := func() any {
		return c.texts(3, func() string { return c.of("*", "*haiku*", "claude-*", "small-?", "big", "") })
	}
	fields := map[string]map[string]func() any{
		"filters/business_hours": {"days": func() any { return c.list(7, func() any { return 1 + c.IntN(7) }) }, "from": func() any { return c.IntN(25) },
			"to": func() any { return c.IntN(25) }, "utc_offset": func() any { return c.IntN(27) - 12 }, "exempt": func() any { return c.of("team", "tier", "") },
			"text": func() any { return c.text() }},
		"filters/cache_affinity": {"sticky": func() any { return c.one(2) }},
		"filters/canary":         {"label": func() any { return c.of("canary", "new", "") }, "percent": func() any { return float64(c.IntN(401)) / 4 }},
		"filters/headroom": {"windows": func() any { return c.texts(3, func() string { return c.of("5h", "7d", "7d_opus") }) },
			"max_utilization": func() any { return c.Float64() }},
		"filters/model_pool": {"pools": func() any {
			return c.list(3, func() any { return map[string]any{"models": globs(), "upstreams": globs()} })
		}},
		"filters/tier": {"name": func() any { return c.of("team", "tier", "canary", "") }},
		"routers/pinned": {"pins": func() any {
			return c.object(3, func() string { return c.of("alice", "bob") }, func() any { return c.name() })
		}},
		"dialects/bedrock": {"models": func() any { return c.object(3, c.model, func() any { return c.model() }) }, "prefix": func() any { return c.of("us.", "global.", "") },
			"betas": func() any {
				return c.texts(2, func() string { return c.of("unknown", "context-management-2025-06-27") })
			}},
		"dialects/openai": {"path": func() any { return c.of("/chat", "") }, "max_output": func() any { return c.number() },
			"max_tokens_field": func() any { return c.of("max_tokens", "") }, "system_role": func() any { return c.of("developer", "") },
			"reasoning": func() any { return c.one(2) }},
		"dialects/vertex": {"models": func() any { return c.object(3, c.model, func() any { return c.model() }) },
			"drop_betas": func() any {
				return c.texts(2, func() string { return c.of("unknown", "interleaved-thinking-2025-05-14") })
			}},
	}
	out := c.some(fields[script])
	for _, key := range sortedKeys(out) {
		if c.one(8) {
			out[key] = nil
		}
	}
	return out
}

// fixtureText writes a case as a fixture. want.json is left for whoever knows the answer.
func fixtureText(hook, script string, config, input any) string {
	var b strings.Builder
	part := func(name string, v any) {
		text, err := json.Marshal(v)
		if err != nil {
			panic(err)
		}
		b.WriteString("-- " + name + " --\n" + string(text) + "\n")
	}
	b.WriteString("-- hook --\n" + hook + "\n-- script --\n" + script + "\n")
	part("config", config)
	part("input.json", input)
	b.WriteString("-- want.json --\nnull\n")
	return b.String()
}
