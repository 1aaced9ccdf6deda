-- An upstream with OpenAI's chat completions: OpenAI itself, vLLM, Ollama, another gateway. Requests, answers, streams and errors are
-- translated whole; bind it with on_error: closed, so that what cannot be translated is an error and never OpenAI's own answer.
-- config: path (behind base_url), max_output (tokens asked for at most), max_tokens_field, system_role ("developer"), reasoning (whether the
-- model reasons; by its name where it is not said).
local fit = require("lib.call_ids").fit
local given = require("lib.given")
local kind, text, object, items, count, shown = given.kind, given.text, given.object, given.items, given.count, given.shown
local chat_request = require("lib.openai_request").chat_request

plugin = { name = "openai", version = "1.0.0", description = "OpenAI's chat completions", paths = { "/v1/messages" } }

local STOPS = { stop = "end_turn", length = "max_tokens", tool_calls = "tool_use", function_call = "tool_use", content_filter = "refusal" }

-- What kind of error a status is, a code, or a type.
local STATUSES = { [400] = "invalid_request_error", [401] = "authentication_error", [402] = "billing_error", [403] = "permission_error",
  [404] = "not_found_error", [408] = "timeout_error", [409] = "conflict_error", [413] = "request_too_large", [422] = "invalid_request_error",
  [429] = "rate_limit_error", [503] = "overloaded_error", [504] = "timeout_error", [529] = "overloaded_error" }
local CODES = { rate_limit_exceeded = "rate_limit_error", insufficient_quota = "rate_limit_error", invalid_request_error = "invalid_request_error",
  context_length_exceeded = "invalid_request_error", overloaded = "overloaded_error", overloaded_error = "overloaded_error" }

-- How a prompt that is too long is told.
local TOO_LONG = "context_length_exceeded|maximum context length|context window"

-- Headers of the API that mean nothing there.
local HEADERS = { "anthropic-version", "anthropic-beta", "anthropic-dangerous-direct-browser-access", "x-app" }

-- --- the request ---

local function address(base)
  if kind(config.path) == "text" then return base .. config.path end
  return base .. (string.sub(base, -3) == "/v1" and "/chat/completions" or "/v1/chat/completions")
end

-- How many values a request may hold, and how many more for each MiB of it: with what is made of it, one takes up to 2 KB of
-- budgets.memory.
local MAX_VALUES, MAX_VALUES_PER_MIB = 30000, 10000

function shape(ctx, upstream, principal, request)
  local most = MAX_VALUES + math.floor(request.body.size / 1048576) * MAX_VALUES_PER_MIB
  if request.body:values() > most then
    error("a request of " .. request.body.size .. " bytes may hold " .. most .. " values to be translated, got " .. request.body:values())
  end
  request.body:replace(chat_request(object(request.body:json()), upstream:model(ctx.model), ctx.stream, request.state))
  request.url = address(upstream.base_url)
  for _, name in ipairs(HEADERS) do request.headers:remove(name) end
  request.headers:set("content-type", "application/json")
  request.headers:set("accept", ctx.stream and "text/event-stream" or "application/json")
end

-- --- errors ---

-- The error that a server told, as an object or a text. Some send one that is null or empty beside an answer, and some are one.
local function failure(body)
  return text(body.error) or next(object(body.error)) and body.error or body.object == "error" and body or nil
end

local function cause(status, told, plain)
  if type(told) == "string" then told = { message = told } end
  local words = text(shown(told.message)) or text(shown(told.detail)) or text(plain)
  words = words or "the upstream answered with status " .. status .. " and no error of its own"
  local code = told.code
  local is = STATUSES[status > 0 and status or count(code)] or CODES[text(code) or ""] or CODES[text(told.type) or ""] or "api_error"
  if re.test(TOO_LONG, words .. " " .. shown(code)) then
    is, words = "invalid_request_error", "prompt is too long: " .. words .. " (capability_rejected: prompt_too_long)"
  end
  return { type = is, message = words }
end

-- Servers put the error under error, that in a list at times, or into a text there, or straight into the body; what stands before them
-- answers in plain text.
local function error_of(status, body)
  local is = body:type("")
  local answer = (is == "object" or is == "list") and body:json() or {}
  answer = object(items(answer)[1] or answer)
  local plain = string.sub(body:raw(""), 1, 500)
  if re.test("^\\s*[<{\\[]", plain) then plain = "" end
  return { type = "error", error = cause(status, failure(answer) or answer, plain) }
end

function normalize_error(status, body)
  if body:get("type") == "error" and body:type("error") == "object" then return nil end
  return { body = error_of(status, body) }
end

-- --- the answer ---

local function thought(said) return text(said.reasoning_content) or text(said.reasoning) end

local function words_of(said)
  local content = said.content
  if kind(content) == "list" then
    local texts = {}
    for i, part in ipairs(content) do texts[i] = type(part) == "string" and part or shown(object(part).text) end
    content = table.concat(texts)
  end
  return text(shown(content)) or text(said.refusal)
end

-- The API wants an id and a name.
local function tool_use(ctx, state, id, i, name, input)
  if not name then error("the upstream's answer makes a call without a name") end
  id = id ~= "" and fit(id) or "call_" .. hash(ctx.request_id) .. "_" .. i
  return { type = "tool_use", id = id, name = state.names and state.names[name] or name, input = input }
end

-- The arguments as an object. The body, which is read by then, tells whether they are JSON; what is not is shown to the model again.
local function input_of(response, arguments)
  local is = kind(arguments)
  if is == "object" then return arguments end
  if is == "text" or not is then
    response.body:replace(text(arguments) or "{}")
    if response.body:type("") == "object" then return response.body:json() end
  end
  return { invalid_arguments = arguments }
end

local function call_block(ctx, response, call, i)
  local f = object(call["function"])
  return tool_use(ctx, response.state, shown(call.id), i, text(f.name), input_of(response, f.arguments))
end

-- Some servers say stop where they made calls. A client would then not run them.
local function stop_of(reason, called)
  local stop = STOPS[text(reason) or ""] or "end_turn"
  return called and stop == "end_turn" and "tool_use" or stop
end

-- All keys are there, since clients add them up. Nothing told is all zero, which counts as unknown.
local function usage_of(told)
  told = object(told)
  local cached = count(object(told.prompt_tokens_details).cached_tokens)
  local thinking = count(object(told.completion_tokens_details).reasoning_tokens)
  return { input_tokens = math.max(0, count(told.prompt_tokens) - cached), cache_creation_input_tokens = 0,
    cache_read_input_tokens = cached, output_tokens = count(told.completion_tokens),
    output_tokens_details = { thinking_tokens = thinking } }
end

local function message(ctx, answer, content)
  return { id = "msg_" .. (text(shown(answer.id)) or hash(ctx.request_id)), type = "message", role = "assistant", model = ctx.model or "",
    content = json.array(content), stop_reason = json.null, stop_sequence = json.null, usage = usage_of(nil) }
end

function transform_response(ctx, response)
  local answer = response.body:type("") == "object" and response.body:json() or {}
  if failure(answer) then return { status = 500, body = error_of(500, response.body) } end
  -- a client would read a message as a stream without events
  if ctx.stream then error("the upstream answered in one piece, want a stream") end
  local choice = object(items(answer.choices)[1])
  local said = choice.message
  if kind(said) ~= "object" then error("the upstream's answer has no message") end
  local content = {}
  if thought(said) then
    content[#content + 1] = { type = "thinking", thinking = thought(said), signature = "" }
  end
  local words = words_of(said)
  if words then -- an empty text would be refused when it comes back
    content[#content + 1] = { type = "text", text = words }
  end
  local calls = items(said.tool_calls)
  for i, call in ipairs(calls) do content[#content + 1] = call_block(ctx, response, object(call), i - 1) end
  local body = message(ctx, answer, content)
  body.stop_reason = stop_of(choice.finish_reason, #calls > 0)
  body.usage = usage_of(answer.usage)
  response.headers:set("content-type", "application/json")
  return { body = body }
end

-- --- the stream ---
-- The API sends one block after the other, OpenAI pieces of all of them. The first call goes out as it comes, and all that comes beside it
-- waits for its end, which only the end of the stream tells. state: blocks (begun so far; nothing before the first chunk), open ("", "text",
-- "thinking", "tool"), lead (how a piece of it is written), more (how one is found, where that is sure), index and id (of the call that is
-- open), waits (kind and text, of a call index, id and name as well), finish, usage, over. It is kept small, since it is kept for each event.

-- What most pieces are: more of the open block and nothing else, in JSON as servers write it. Such a text passes as it is written.
local JSON_TEXT = '("(?:[^"\\\\\\x00-\\x1f]|\\\\(?:["\\\\/bfnrt]|u[0-9a-fA-F]{4}))+")'
local SCALAR = '(?:"[^"\\\\\\x00-\\x1f]*"|-?[0-9.]+|true|false|null)'
local function more(inner)
  return '^\\{(?:"[a-z_]+":' .. SCALAR .. ',)*"choices":\\[\\{(?:"[a-z_]+":(?:0|null),)*' ..
    '"delta":\\{(?:"role":"assistant",)?' .. inner .. '\\}(?:,"[a-z_]+":null)*\\}\\](?:,"[a-z_]+":' .. SCALAR .. ')*\\}$'
end
local MORE_OF = {
  text = more('"content":' .. JSON_TEXT .. '(?:,"reasoning_content":null)?'),
  thinking = more('(?:"content":(?:""|null),)?"reasoning_content":' .. JSON_TEXT),
  tool = more('"tool_calls":\\[\\{"index":INDEX,(?:"type":"function",)?"function":\\{"arguments":' .. JSON_TEXT .. '\\}\\}\\]'),
}
local DELTAS = { text = '"text_delta","text"', thinking = '"thinking_delta","thinking"', tool = '"input_json_delta","partial_json"' }

-- What most pieces become, made once: it is read before the next call.
local PIECES = { { name = "content_block_delta", data = "" } }

local function of(name, data)
  data.type = name
  return { name = name, data = data }
end

local function broken(state, error)
  state.over = true
  return { of("error", { type = "", error = cause(0, error, "") }) }
end

local function begin(ctx, told, state)
  state.blocks, state.open = 0, ""
  return { of("message_start", { type = "", message = message(ctx, told, {}) }) }
end

local function start(out, state, is, block, call)
  local index = state.blocks
  out[#out + 1] = of("content_block_start", { type = "", index = index, content_block = block })
  state.open, state.blocks = is, index + 1
  state.lead = '{"type":"content_block_delta","index":' .. index .. ',"delta":{"type":' .. DELTAS[is] .. ":"
  state.more = string.gsub(MORE_OF[is], "INDEX", call)
end

local function piece(state, words)
  return { name = "content_block_delta", data = state.lead .. json.encode(words) .. "}}" }
end

local function stop(out, state)
  if state.open ~= "" then
    out[#out + 1] = of("content_block_stop", { type = "", index = state.blocks - 1 })
    state.open, state.more = "", nil
  end
end

local function wait(state, is, words)
  local waits = state.waits or {}
  state.waits = waits
  local last = waits[#waits]
  if last and last.kind == is then
    last.text = last.text .. words
  else
    waits[#waits + 1] = { kind = is, text = words }
  end
end

local function said_block(is)
  if is == "text" then return { type = "text", text = "" } end
  return { type = "thinking", thinking = "", signature = "" }
end

local function say(out, state, is, words)
  if not words then return end
  if state.open == "tool" then return wait(state, is, words) end
  if state.open ~= is then
    stop(out, state)
    start(out, state, is, said_block(is), 0)
  end
  out[#out + 1] = piece(state, words)
end

local function same(call, index, id)
  return call.index == index and (id == "" or call.id == "" or call.id == id)
end

-- The waiting call that a fragment belongs to, and its place; nothing where it is the open one's. Some servers leave index out, or count
-- all calls as 0 and tell them apart by id.
local function call_of(state, index, id)
  local waits = state.waits or {}
  for i = #waits, 1, -1 do
    local call = waits[i]
    if call.kind == "tool" and same(call, index, id) then
      call.id = text(call.id) or id
      return call, i
    end
  end
  if state.index == index then
    if same(state, index, id) then
      state.id = text(state.id) or id
      return nil
    end
    state.more = nil -- what comes may be of either
  end
  waits[#waits + 1] = { kind = "tool", index = index, id = id, name = "", text = "" }
  state.waits = waits
  return waits[#waits], #waits
end

local function start_call(ctx, out, state, call)
  stop(out, state)
  start(out, state, "tool", tool_use(ctx, state, call.id, state.blocks, text(call.name), {}), call.index)
  if call.text ~= "" then out[#out + 1] = piece(state, call.text) end
end

local function add_call(ctx, out, state, fragment)
  local f = object(fragment["function"])
  local args = shown(f.arguments)
  local call, at = call_of(state, count(fragment.index), shown(fragment.id))
  if not call then
    if args ~= "" then out[#out + 1] = piece(state, args) end
    return
  end
  call.name, call.text = text(call.name) or shown(f.name), call.text .. args
  if state.open ~= "tool" and call.name ~= "" then
    table.remove(state.waits, at)
    state.index, state.id = call.index, call.id
    start_call(ctx, out, state, call)
  end
end

local function add_delta(ctx, out, state, delta)
  say(out, state, "thinking", thought(delta))
  say(out, state, "text", words_of(delta))
  for _, fragment in ipairs(items(delta.tool_calls)) do add_call(ctx, out, state, object(fragment)) end
end

local function chunk(ctx, told, state)
  if failure(told) then return broken(state, failure(told)) end
  local out = state.blocks and {} or begin(ctx, told, state)
  if next(object(told.usage)) then state.usage = usage_of(told.usage) end
  for _, choice in ipairs(items(told.choices)) do
    add_delta(ctx, out, state, object(object(choice).delta))
    state.finish = text(object(choice).finish_reason) or state.finish
  end
  return out
end

local function finish(ctx, state)
  local out, called = {}, state.index ~= nil
  for _, waiting in ipairs(state.waits or {}) do
    stop(out, state)
    if waiting.kind == "tool" then
      called = true
      start_call(ctx, out, state, waiting)
    else
      say(out, state, waiting.kind, waiting.text)
    end
  end
  stop(out, state)
  state.over = true
  local reason = stop_of(state.finish, called)
  out[#out + 1] = of("message_delta", { type = "", delta = { stop_reason = reason, stop_sequence = json.null }, usage = state.usage or usage_of(nil) })
  out[#out + 1] = of("message_stop", {})
  return out
end

function transform_event(ctx, event, state)
  if state.over then return {} end
  local data, pattern = event.data, state.more
  local found = pattern and re.find(pattern, data)
  if found and not string.find(data, '"error"', 1, true) then
    PIECES[1].data = state.lead .. found[2] .. "}}"
    return PIECES
  end
  if event.name == "$end" then -- without a finish_reason it was cut: the gateway says so
    return event.complete and state.finish and finish(ctx, state) or {}
  end
  if string.sub(data, 1, 6) == "[DONE]" then
    return state.finish and finish(ctx, state) or broken(state, "the upstream ended its answer without a finish_reason")
  end
  if string.sub(data, 1, 1) ~= "{" then return {} end -- some servers keep a client waiting with words
  return chunk(ctx, event:json(), state)
end
