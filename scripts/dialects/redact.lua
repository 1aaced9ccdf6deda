-- Another dialect, with keys, tokens and mail addresses taken out of what is asked and of what is answered. lib/redact has the patterns and
-- what config says. Bind it with on_error: closed: what cannot be looked at is then refused.
-- It wraps the dialect that it requires.
local base = require("dialects.anthropic")
local lib = require("lib.redact")
local redact, WORDS = lib.redact, lib.WORDS
local encode, find, match, type, unpack = json.encode, re.find, string.match, type, unpack

plugin = { name = "redact", version = "1.1.0", description = "another dialect, without keys and addresses in what passes",
  paths = base.plugin and base.plugin.paths }

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

-- A delta as the Messages API writes most of them, with a text that has no escape: the index, the type, the field, the text and the spaces
-- before the end. It reads as it stands, and is not decoded.
local PLAIN = '^\\{"type":"content_block_delta","index":(0|[1-9]\\d{0,5}),"delta":\\{"type":"(text_delta|thinking_delta)","(text|thinking)":"([^"\\\\\\x00-\\x1f\\x{FFFD}]*)"\\}( *)\\}$'

local function text_of(data)
  return type(data) == "string" and data or encode(data)
end

local function is_object(v) return type(v) == "table" and getmetatable(v) ~= "list" end

function shape(ctx, upstream, principal, request)
  lib.redact_body(request.body, request.headers)
  local clean = request.body:raw("")
  base.shape(ctx, upstream, principal, request)
  if request.body:raw("") ~= clean then lib.redact_body(request.body, request.headers) end -- a dialect may know secrets from elsewhere, or put pieces together
  lib.redact_headers(request.headers)
  lib.redact_url(request)
end

function normalize_error(status, body, headers)
  local out = base.normalize_error(status, body, headers)
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
  lib.redact_body(response.body, response.headers)
end

-- Everything but plain deltas goes out by here: raw, which an event of a name holds, and was received as e, nil where it was not.
local function send(out, e, name, received, raw)
  local clean, called = redact(raw), NAMES[name] and name or redact(name)
  local same = clean == received and called == name and type(e) == "userdata"
  out[#out + 1] = same and e or { name = called, data = clean }
end

-- The object that is the data of an event. Data of another kind is looked at as a text, where none could be expected.
local function object_of(name, raw)
  if match(raw, "^[ \t\r\n]*{") then
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

local function marked(index) return "," .. index .. "," end

local function is_over(state, index) return string.find(state.redact_over, marked(index), 1, true) ~= nil end

local function end_block(state, index)
  if not is_over(state, index) then state.redact_over = state.redact_over .. index .. "," end
end

-- Refuses what no delta can be of.
local function open_block(state, index)
  if not index or is_over(state, index) then error("a delta of no block, or of one that is over") end
end

local function type_of(field) return field == "partial_json" and "input_json_delta" or field .. "_delta" end

-- Adds a piece to what is held of a field of a block, and returns what of that need not wait.
local function hold(state, index, kind, field, value)
  local held, key = state.redact_held, index .. " " .. field
  local before = held[key]
  if not before then -- what is held is of a block that is not over
    open_block(state, index)
    if type(kind) == "string" and kind ~= type_of(field) then
      state.redact_types = state.redact_types or {}
      state.redact_types[key] = kind
    end
  end
  local text = before and before .. value or value
  if not FLOWING[field] then
    held[key] = text
    return ""
  end
  local whole, word = match(text, WORDS)
  if not whole then whole, word = "", text end
  if #word > MAX_WORD then error("a word is longer than " .. MAX_WORD .. " bytes") end
  held[key] = word
  return whole
end

-- Takes out of a delta what is to wait, and tells whether anything is left of it.
local function hold_delta(state, index, delta)
  if not is_object(delta) then error("a delta that is no object") end
  local left = false
  for field, value in pairs(delta) do
    if field ~= "type" then
      if type(value) == "string" then
        value = hold(state, index, delta.type, field, value)
        delta[field] = value
      else
        open_block(state, index)
      end
      left = left or value ~= ""
    end
  end
  return left
end

local function hold_block(state, index, block)
  if not index then error("a block without its index") end
  if is_over(state, index) then
    local over = state.redact_over
    local from, to = string.find(over, marked(index), 1, true)
    state.redact_over = string.sub(over, 1, from) .. string.sub(over, to + 1)
  end
  local changed = false
  for _, field in ipairs(BEGUN) do
    local value = block[field]
    if type(value) == "string" and value ~= "" then
      block[field] = hold(state, index, nil, field, value)
      changed = changed or block[field] ~= value
    end
  end
  return changed
end

-- Takes out of the blocks that begin with an event what may go on in their deltas, and tells whether there was any.
local function hold_beginnings(state, index, data)
  local changed, message = false, data.message
  if is_object(data.content_block) then changed = hold_block(state, index, data.content_block) end
  if is_object(message) and type(message.content) == "table" and not is_object(message.content) then
    for i, block in ipairs(message.content) do
      if is_object(block) then changed = hold_block(state, i - 1, block) or changed end
    end
  end
  return changed
end

-- A word may be escaped JSON as well as not. What waited is JSON itself, or in one word.
local function send_held(out, index, kind, field, text)
  if not FLOWING[field] then text = redact(text) end
  if text == "" then return end
  local delta = { type = kind }
  delta[field] = text
  send(out, nil, "content_block_delta", nil, encode({ type = "content_block_delta", index = index, delta = delta }))
end

-- Sends what is held of a block, or of all, which is whole by then.
local function flush(out, state, index)
  local types, left = state.redact_types or {}, {}
  for key, text in pairs(state.redact_held) do
    local at, field = string.match(key, "^(%d+) (.*)$")
    at = tonumber(at)
    if not index or at == index then
      end_block(state, at)
      send_held(out, at, types[key] or type_of(field), field, text)
      types[key] = nil
    else
      left[key] = text
    end
  end
  state.redact_held = left
  if index then end_block(state, index) end
end

-- What goes out for an event that is no plain delta.
local function pass_decoded(state, e, name, raw)
  local out, data = {}, object_of(name, raw)
  local kind, index = data.type, index_of(data)
  if name == "content_block_stop" or kind == "content_block_stop" then
    flush(out, state, index)
  elseif name == "message_stop" or kind == "message_stop" then
    flush(out, state, nil)
  end
  if name == "content_block_delta" or kind == "content_block_delta" or index and is_object(data.delta) then
    if hold_delta(state, index, data.delta) then send(out, e, name, raw, encode(data)) end
  elseif (data.content_block or data.message) and hold_beginnings(state, index, data) then
    send(out, e, name, raw, encode(data))
  else
    send(out, e, name, raw, raw)
  end
  return out
end

-- What goes out for an event, without its secrets. What may be a part of one waits in state for the rest. Of a plain delta nothing but the
-- text can hold one.
local function pass_event(state, e, name, raw)
  local plain = (name == "content_block_delta" or name == "") and find(PLAIN, raw)
  if not plain then return pass_decoded(state, e, name, raw) end
  local _, index, kind, field, value, spaces = unpack(plain)
  local text = hold(state, index, kind, field, value)
  if text == "" then return {} end
  local clean = redact(text)
  if clean == value and spaces == "" and type(e) == "userdata" then return { e } end
  local data = '{"type":"content_block_delta","index":' .. index .. ',"delta":{"type":"' .. kind .. '","' .. field .. '":' .. encode(clean) .. "}}"
  return { { name = name, data = data } }
end

local base_event = base.transform_event

function transform_event(ctx, event, state)
  local given, name = base_event and base_event(ctx, event, state), event.name
  if not state.redact_held then
    -- What is held of each field of each block, by "INDEX FIELD", and the blocks that are over. redact_types has the types of
    -- their deltas, but for those that type_of knows.
    state.redact_held, state.redact_over = {}, ","
  end
  if not given and name ~= "$end" then return pass_event(state, event, name, event.data) end
  local out = {}
  for _, e in ipairs(given or {}) do
    for _, sent in ipairs(pass_event(state, e, e.name or "", text_of(e.data))) do out[#out + 1] = sent end
  end
  if name == "$end" then flush(out, state, nil) end
  return out
end

local function shaped(t, by, address, key)
  local r = t:request('{"model":"m","system":"I am ' .. address .. '","messages":[{"role":"user","content":[{"type":"text","text":"' .. key .. '"}]},{"role":"user","content":"plain"}]}')
  by(t:ctx({ model = "m" }), t:upstream("u", { models = { m = "own" } }), t:principal(), r)
  return r.body:raw()
end

function test_prompts_lose_their_secrets(t)
  local sent = shaped(t, shape, "me@example.org", "sk-ant-0123456789abcdef")
  t:eq(sent, shaped(t, base.shape, "[email]", "[key]"))
  t:ok(string.find(sent, "I am [email]", 1, true) and string.find(sent, "[key]", 1, true))
end

function test_a_secret_in_two_pieces_is_found(t)
  local state, sent, texts = { redact_held = {}, redact_over = "," }, {}, {}
  for _, text in ipairs({ "the key sk-ant-01234", "56789abc", "def is", " here" }) do
    local e = t:event({ name = "content_block_delta", data = { type = "content_block_delta", index = 0, delta = { type = "text_delta", text = text } } })
    for _, out in ipairs(pass_event(state, e, e.name, e.data)) do sent[#sent + 1] = out end
  end
  flush(sent, state, nil)
  for i, e in ipairs(sent) do texts[i] = json.decode(e.data).delta.text end
  t:eq(texts, { "the key ", "[key] ", "is ", "here" })
end
