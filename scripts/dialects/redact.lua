-- Another dialect, with keys, tokens and mail addresses taken out of what is asked and of what is answered. lib/redact has the patterns and
-- what config says. Bind it with on_error: closed: what cannot be looked at is then refused.
-- It wraps the dialect that it requires.
local base = require("dialects.anthropic")
local redact = require("lib.redact")

plugin = { name = "redact", version = "1.0.0", description = "another dialect, without keys and addresses in what passes" }

-- The longest word that is held back, in bytes. Nobody can tell whether a longer one is a secret.
local MAX_WORD = 64 * 1024

local function text_of(data)
  return type(data) == "string" and data or json.encode(data)
end

local function delta_of(index, delta)
  return { name = "content_block_delta", data = { type = "content_block_delta", index = index, delta = delta } }
end

function shape(ctx, upstream, principal, request)
  redact.redact_request(request.body)
  base.shape(ctx, upstream, principal, request)
end

function normalize_error(status, body)
  local out = base.normalize_error(status, body)
  if out then
    out.body = redact.redact_json(text_of(out.body))
    return out
  end
  local raw = body:raw("")
  local clean = redact.redact_json(raw)
  if clean ~= raw then return { body = clean } end
end

function transform_response(ctx, response)
  local out = base.transform_response and base.transform_response(ctx, response)
  if out then
    response.status = out.status or response.status
    response.body:replace(out.body)
  end
  local content = response.body:get("content")
  if content then
    redact.redact_content(response.body, "content", content)
  else
    redact.redact_all(response.body)
  end
end

local function hold(out, state, index, text)
  text = (state.held_text or "") .. text
  local word = redact.unfinished(text)
  if #word > MAX_WORD then error("a word is longer than " .. MAX_WORD .. " bytes") end
  local clean = redact.redact(string.sub(text, 1, #text - #word))
  if clean ~= "" then out[#out + 1] = delta_of(index, { type = "text_delta", text = clean }) end
  state.held_index, state.held_text = index, word
end

-- Sends what was held, which is whole by then.
local function flush(out, state)
  local text, input = state.held_text or "", state.held_input or ""
  state.held_text, state.held_input = nil, nil
  if text ~= "" then out[#out + 1] = delta_of(state.held_index, { type = "text_delta", text = redact.redact(text) }) end
  if input ~= "" then
    out[#out + 1] = delta_of(state.held_index, { type = "input_json_delta", partial_json = redact.redact_json(input) })
  end
end

-- Sends an event without its secrets. The word at the end of a text waits for more of it, and the input of a tool for its end.
local function add(out, state, e)
  local name, raw = e.name, text_of(e.data)
  if name == "content_block_delta" then
    local data = json.decode(raw)
    local delta = data.delta
    if delta.type == "text_delta" then return hold(out, state, data.index, delta.text) end
    if delta.type == "input_json_delta" then
      state.held_index, state.held_input = data.index, (state.held_input or "") .. delta.partial_json
      return
    end
    if redact.signed[delta.type] then
      out[#out + 1] = e
      return
    end
  elseif name == "content_block_stop" then
    flush(out, state)
  elseif name == "content_block_start" and redact.signed[json.decode(raw).content_block.type] then
    out[#out + 1] = e
    return
  end
  local clean = redact.redact_json(raw)
  out[#out + 1] = clean == raw and e or { name = name, data = clean }
end

function transform_event(ctx, event, state)
  local given = base.transform_event and base.transform_event(ctx, event, state)
  if not given then
    given = event.name == "$end" and {} or { event }
  end
  local out = {}
  for _, e in ipairs(given) do add(out, state, e) end
  if event.name == "$end" then flush(out, state) end
  return out
end

function test_prompts_lose_their_secrets(t)
  local r = t:request('{"model":"m","system":"I am me@example.org","messages":[{"role":"user","content":[{"type":"text","text":"sk-ant-0123456789abcdef"}]},{"role":"user","content":"plain"}]}')
  shape(t:ctx({ model = "m" }), t:upstream("u", { models = { m = "own" } }), t:principal(), r)
  t:eq(r.body:raw(), '{"model":"own","system":"I am [email]","messages":[{"role":"user","content":[{"type":"text","text":"[key]"}]},{"role":"user","content":"plain"}]}')
end

function test_a_secret_in_two_pieces_is_found(t)
  local state, texts = {}, {}
  local function send(event)
    for _, e in ipairs(transform_event(t:ctx(), event, state)) do texts[#texts + 1] = e.data.delta.text end
  end
  for _, text in ipairs({ "the key sk-ant-01234", "56789abc", "def is", " here" }) do
    send(t:event({ name = "content_block_delta", data = { type = "content_block_delta", index = 0, delta = { type = "text_delta", text = text } } }))
  end
  send(t:event({ name = "$end", complete = true }))
  t:eq(texts, { "the key ", "[key] ", "is ", "here" })
end
