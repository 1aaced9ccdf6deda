-- The Anthropic API with keys and mail addresses taken out of what is sent. It wraps another dialect: its own work, then the base's.
local base = require("dialects.anthropic")
local redact_body = require("lib.redact").redact_body

plugin = { name = "redacted", version = "1.0.0", description = "anthropic, without keys and addresses in prompts" }

function shape(ctx, upstream, principal, request)
  redact_body(request.body)
  base.shape(ctx, upstream, principal, request)
end

function normalize_error(status, body)
  return base.normalize_error(status, body)
end

function test_prompts_lose_their_secrets(t)
  local r = t:request('{"model":"m","system":"I am me@example.org","messages":[{"role":"user","content":[{"type":"text","text":"sk-ant-0123456789abcdef"}]},{"role":"user","content":"plain"}]}')
  shape(t:ctx({ model = "m" }), t:upstream("u", { models = { m = "own" } }), t:principal(), r)
  t:eq(r.body:raw(), '{"model":"own","system":"I am [email]","messages":[{"role":"user","content":[{"type":"text","text":"[key]"}]},{"role":"user","content":"plain"}]}')
end
