-- The Anthropic API itself. A request goes as it came, but for the model where the upstream has an id of its own for it. Errors that are
-- not in Anthropic's shape, such as a page of a proxy in between, are put into it.
plugin = { name = "anthropic", version = "1.0.0", description = "the Anthropic API" }

local types = { [400] = "invalid_request_error", [401] = "authentication_error", [403] = "permission_error", [404] = "not_found_error",
  [413] = "request_too_large", [429] = "rate_limit_error", [504] = "timeout_error", [529] = "overloaded_error" }

function shape(ctx, upstream, principal, request)
  if ctx.model and upstream:model(ctx.model) ~= ctx.model then
    request.body:set("model", upstream:model(ctx.model))
  end
end

function normalize_error(status, body)
  if status == 0 or body:has("error.type") then return nil end
  local message = "the upstream answered with status " .. status .. " and no error of the API"
  return { body = { type = "error", error = { type = types[status] or "api_error", message = message } } }
end

function test_the_model_is_the_upstreams_own(t)
  local r = t:request('{"max_tokens": 1, "model": "claude-x", "z": [1]}')
  shape(t:ctx({ model = "claude-x" }), t:upstream("u", { models = { ["claude-x"] = "own-x" } }), t:principal(), r)
  t:eq(r.body:raw(), '{"max_tokens": 1, "model": "own-x", "z": [1]}')
end

function test_anything_else_stays(t)
  local text = '{"model": "claude-x",  "max_tokens": 1}'
  local r = t:request(text)
  shape(t:ctx({ model = "claude-x" }), t:upstream("u"), t:principal(), r)
  t:eq(r.body:raw(), text)
end

function test_a_request_without_a_model_passes(t)
  local r = t:request("")
  shape(t:ctx({ method = "GET", path = "/v1/models", body = "" }), t:upstream("u"), t:principal(), r)
  t:eq(r.body:raw(), "")
end

function test_a_page_becomes_an_error(t)
  local out = normalize_error(502, t:request("<html>Bad gateway</html>").body)
  t:eq(out.body.error.type, "api_error")
  t:eq(normalize_error(429, t:request('{"type":"error","error":{"type":"rate_limit_error"}}').body), nil)
end
