-- Another dialect, with keys, tokens and mail addresses taken out of what is asked and of what is answered. lib/redact has the patterns and
-- what config says. Bind it with on_error: closed: what cannot be looked at is then refused.
-- It wraps the dialect that it requires.
local base = require("dialects.anthropic")
local lib = require("lib.redact")
local redact = lib.redact

plugin = { name = "redact", version = "1.1.0", description = "another dialect, without keys and addresses in what passes" }

-- The longest word that is held back, in bytes. Nobody can tell whether a longer one is a secret.
local MAX_WORD = 64 * 1024

-- What of a block flows word by word. Whatever else comes in pieces waits for the end of its block.
local FLOWING = { text = true, thinking = true }

-- What a block may begin with that goes on in its deltas.
local BEGUN = { "text", "thinking", "signature" }

-- What must be an object, and the other names of the Messages API.
local BLOCKS = { content_block_delta = true, content_block_start = true, content_block_stop = true }
local NAMES = { content_block_delta = true, content_block_start = true, content_block_stop = true, message_start = true,
  message_delta = true, message_stop = true, ping = true }

local function text_of(data)
  return type(data) == "string" and data or json.encode(data)
end

local function is_object(v) return type(v) == "table" and getmetatable(v) ~= "list" end

function shape(ctx, upstream, principal, request)
  lib.redact_body(request.body)
  local clean = request.body:raw("")
  base.shape(ctx, upstream, principal, request)
  if request.body:raw("") ~= clean then lib.redact_body(request.body) end -- a dialect may know secrets from elsewhere, or put pieces together
  lib.redact_headers(request.headers)
  lib.redact_url(request)
end

function normalize_error(status, body)
  local out = base.normalize_error(status, body)
  if out == nil then
    local clean = redact(body:raw(""))
    return clean ~= body:raw("") and { body = clean } or nil
  end
  if type(out) ~= "table" or out.type ~= nil or out.error ~= nil then return { body = redact(text_of(out)) } end
  return { status = out.status, body = redact(text_of(out.body)) }
end

function transform_response(ctx, response)
  local out = base.transform_response and base.transform_response(ctx, response)
  if out then
    response.status = out.status or response.status
    for name, value in pairs(out.headers or {}) do response.headers:set(name, value) end
    if out.body ~= nil then response.body:replace(out.body) end
  end
  if ctx.path == "/v1/messages" and re.test("(?:^|[^ -~])data:", response.body:raw("")) then
    error("the answer is an event stream that does not say so")
  end
  lib.redact_headers(response.headers)
  lib.redact_body(response.body)
end

-- Everything that goes out goes by here.
local function send(out, e, name, raw)
  local clean, called = redact(raw), NAMES[name] and name or redact(name)
  local same = type(e) ~= "table" and clean == e.data and called == e.name
  out[#out + 1] = same and e or { name = called, data = clean }
end

-- The object that is the data of an event. Data of another kind is looked at as a text, where none could be expected.
local function object_of(name, raw)
  if re.test("^[ \\t\\r\\n]*\\{", raw) then
    local data = json.decode(raw)
    if data.completion == nil then return data end
  elseif not string.find(raw, "{", 1, true) and not BLOCKS[name] then
    return {}
  end
  error("an event that is none of the Messages API")
end

-- The place of a block, nil where there is none.
local function index_of(data)
  local index = data.index
  if type(index) == "number" and index >= 0 and index < 1000000 and index == math.floor(index) then return index end
end

local function marked(index) return "," .. string.format("%d", index) .. "," end

local function is_over(kept, index) return string.find(kept.over, marked(index), 1, true) ~= nil end

local function end_block(kept, index)
  if not is_over(kept, index) then kept.over = kept.over .. string.format("%d,", index) end
end

local function held_of(kept, index, field)
  for _, h in ipairs(kept.held) do
    if h.index == index and h.field == field then return h end
  end
end

-- Adds a piece to what is held of a field of a block, and returns what of that need not wait.
local function hold(kept, index, kind, field, value)
  local h = held_of(kept, index, field)
  if not h then
    h = { index = index, type = type(kind) == "string" and kind or field .. "_delta", field = field, text = "" }
    kept.held[#kept.held + 1] = h
  end
  local text = h.text .. value
  h.text = text
  if FLOWING[field] then
    h.text = lib.unfinished(text)
    if #h.text > MAX_WORD then error("a word is longer than " .. MAX_WORD .. " bytes") end
  end
  return string.sub(text, 1, #text - #h.text)
end

-- Takes out of a delta what is to wait, and tells whether anything is left of it.
local function hold_delta(kept, index, delta)
  if not index or is_over(kept, index) then error("a delta of no block, or of one that is over") end
  if not is_object(delta) then error("a delta that is no object") end
  local left, fields = false, {}
  for field in pairs(delta) do fields[#fields + 1] = field end
  for _, field in ipairs(fields) do
    if field ~= "type" then
      if type(delta[field]) == "string" then delta[field] = hold(kept, index, delta.type, field, delta[field]) end
      left = left or delta[field] ~= ""
    end
  end
  return left
end

local function hold_block(kept, index, block)
  if not index then error("a block without its index") end
  if is_over(kept, index) then
    local from, to = string.find(kept.over, marked(index), 1, true)
    kept.over = string.sub(kept.over, 1, from) .. string.sub(kept.over, to + 1)
  end
  local changed = false
  for _, field in ipairs(BEGUN) do
    local value = block[field]
    if type(value) == "string" and value ~= "" then
      block[field] = hold(kept, index, nil, field, value)
      changed = changed or block[field] ~= value
    end
  end
  return changed
end

-- Takes out of the blocks that begin with an event what may go on in their deltas, and tells whether there was any.
local function hold_beginnings(kept, index, data)
  local changed, message = false, data.message
  if is_object(data.content_block) then changed = hold_block(kept, index, data.content_block) end
  if is_object(message) and type(message.content) == "table" and not is_object(message.content) then
    for i, block in ipairs(message.content) do
      if is_object(block) then changed = hold_block(kept, i - 1, block) or changed end
    end
  end
  return changed
end

-- A word may be escaped JSON as well as not. What waited is JSON itself, or in one word.
local function send_held(out, h)
  local text = FLOWING[h.field] and h.text or redact(h.text)
  if text == "" then return end
  local delta = { type = h.type }
  delta[h.field] = text
  send(out, {}, "content_block_delta", json.encode({ type = "content_block_delta", index = h.index, delta = delta }))
end

-- Sends what is held of a block, or of all, which is whole by then.
local function flush(out, kept, index)
  local left = {}
  for _, h in ipairs(kept.held) do
    if not index or h.index == index then
      end_block(kept, h.index)
      send_held(out, h)
    else
      left[#left + 1] = h
    end
  end
  kept.held = left
  if index then end_block(kept, index) end
end

-- Sends an event without its secrets. What may be a part of one waits in kept for the rest.
local function pass_event(out, kept, e)
  local name, raw = e.name or "", text_of(e.data)
  local data = object_of(name, raw)
  local kind, index = data.type, index_of(data)
  if name == "content_block_stop" or kind == "content_block_stop" then
    flush(out, kept, index)
  elseif name == "message_stop" or kind == "message_stop" then
    flush(out, kept, nil)
  end
  if name == "content_block_delta" or kind == "content_block_delta" or index and is_object(data.delta) then
    if not hold_delta(kept, index, data.delta) then return end
    raw = json.encode(data)
  elseif hold_beginnings(kept, index, data) then
    raw = json.encode(data)
  end
  send(out, e, name, raw)
end

function transform_event(ctx, event, state)
  local given = base.transform_event and base.transform_event(ctx, event, state)
  if not given then
    given = event.name == "$end" and {} or { event }
  end
  state.redact = state.redact or { held = {}, over = "," }
  local out = {}
  for _, e in ipairs(given) do pass_event(out, state.redact, e) end
  if event.name == "$end" then flush(out, state.redact, nil) end
  return out
end

function test_prompts_lose_their_secrets(t)
  local r = t:request('{"model":"m","system":"I am me@example.org","messages":[{"role":"user","content":[{"type":"text","text":"sk-ant-0123456789abcdef"}]},{"role":"user","content":"plain"}]}')
  shape(t:ctx({ model = "m" }), t:upstream("u", { models = { m = "own" } }), t:principal(), r)
  t:eq(r.body:raw(), '{"model":"own","system":"I am [email]","messages":[{"role":"user","content":[{"type":"text","text":"[key]"}]},{"role":"user","content":"plain"}]}')
end

function test_a_secret_in_two_pieces_is_found(t)
  local state, texts = {}, {}
  local function send_in(event)
    for _, e in ipairs(transform_event(t:ctx(), event, state)) do texts[#texts + 1] = json.decode(e.data).delta.text end
  end
  for _, text in ipairs({ "the key sk-ant-01234", "56789abc", "def is", " here" }) do
    send_in(t:event({ name = "content_block_delta", data = { type = "content_block_delta", index = 0, delta = { type = "text_delta", text = text } } }))
  end
  send_in(t:event({ name = "$end", complete = true }))
  t:eq(texts, { "the key ", "[key] ", "is ", "here" })
end
