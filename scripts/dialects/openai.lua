-- An upstream with OpenAI's chat completions: OpenAI itself, vLLM, Ollama, another gateway. Requests, answers, streams and errors are
-- translated whole; bind it with on_error: closed, so that what cannot be translated is an error and never OpenAI's own answer.
-- config: path (behind base_url), max_output (tokens asked for at most), max_tokens_field, system_role ("developer"), reasoning (whether the
-- model reasons; by its name where it is not said).
plugin = { name = "openai", version = "1.0.0", description = "OpenAI's chat completions", paths = { "/v1/messages" } }

-- Models that reason: they take max_completion_tokens and reasoning_effort, and no sampling.
local REASONING = "^(o[0-9]|gpt-5)"
local EFFORTS = { low = "low", medium = "medium", high = "high", xhigh = "high", max = "high" }

local CHOICES = { auto = "auto", any = "required", none = "none" }
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

local MAX_NAME, MAX_STOPS, MAX_USER = 64, 4, 64

-- given makes nothing of null, which a decoded value has as a value of its own.
local function given(v)
  if v ~= json.null then return v end
end

-- filled makes nothing of null and of an empty text.
local function filled(v)
  if v ~= json.null and v ~= "" then return v end
end

-- object is an object as it was decoded, or an empty one.
local function object(v) return given(v) or {} end

local blocks, part_of, link, short, cause, error_of -- used before they are defined

-- --- the request ---

local function address(base)
  local rest = string.sub(base, -3) == "/v1" and "/chat/completions" or "/v1/chat/completions"
  return base .. (config.path or rest)
end

local function reasons(model)
  if config.reasoning == nil then return re.test(REASONING, model) end
  return config.reasoning
end

function blocks(content)
  if type(content) == "string" then return { { type = "text", text = content } } end
  return object(content)
end

-- The billing block of Claude Code is for the API alone.
local function add_system(out, content)
  local texts = {}
  for _, b in ipairs(blocks(content)) do
    local text = filled(b.text)
    if text and string.sub(text, 1, 27) ~= "x-anthropic-billing-header:" then texts[#texts + 1] = text end
  end
  if #texts > 0 then
    out[#out + 1] = { role = config.system_role or "system", content = table.concat(texts, "\n\n") }
  end
end

-- Thoughts are the provider's own and go nowhere else. A message of nothing would be refused.
local function add_assistant(out, content)
  local texts, calls = {}, {}
  for _, b in ipairs(content) do
    if b.type == "text" then
      texts[#texts + 1] = b.text
    elseif b.type == "tool_use" then
      local call = { name = short(b.name), arguments = json.encode(object(b.input)) }
      calls[#calls + 1] = { id = b.id, type = "function", ["function"] = call }
    end
  end
  local text = table.concat(texts)
  if #calls > 0 then
    out[#out + 1] = { role = "assistant", content = filled(text) or json.null, tool_calls = calls }
  elseif text ~= "" then
    out[#out + 1] = { role = "assistant", content = text }
  end
end

-- Results of tools come first, since each must follow the calls directly; then all else in one message.
local function add_user(out, content)
  local parts = {}
  for _, b in ipairs(content) do
    if b.type == "tool_result" then
      local texts = {}
      for _, inner in ipairs(blocks(b.content)) do
        local part = part_of(inner)
        if part.type == "text" then
          texts[#texts + 1] = part.text
        else -- most servers take no image from a tool
          parts[#parts + 1] = part
        end
      end
      local text = (given(b.is_error) and "Error: " or "") .. table.concat(texts, "\n")
      out[#out + 1] = { role = "tool", tool_call_id = b.tool_use_id, content = text }
    else
      local part = part_of(b)
      if part.text ~= "" then parts[#parts + 1] = part end
    end
  end
  if #parts == 1 and parts[1].type == "text" then
    out[#out + 1] = { role = "user", content = parts[1].text }
  elseif #parts > 0 then
    out[#out + 1] = { role = "user", content = parts }
  end
end

-- A block of a user as a part. What has no counterpart there is shown as it stands.
function part_of(b)
  local source = object(b.source)
  if b.type == "text" then return { type = "text", text = b.text } end
  if b.type == "image" then return { type = "image_url", image_url = { url = link(b, source) } } end
  if b.type == "document" and source.type == "base64" then
    return { type = "file", file = { filename = filled(b.title) or "document.pdf", file_data = link(b, source) } }
  end
  if b.type == "document" and source.type == "text" then return { type = "text", text = source.data } end
  if b.type == "document" then
    error("a document whose source is of type " .. tostring(source.type) .. " cannot be sent, want base64 or text")
  end
  b.cache_control = nil
  return { type = "text", text = json.encode(b) }
end

function link(b, source)
  if source.type == "base64" then return "data:" .. source.media_type .. ";base64," .. source.data end
  if source.type == "url" then return source.url end
  error("an " .. b.type .. " whose source is of type " .. tostring(source.type) .. " cannot be sent, want base64 or url")
end

local function messages(asked)
  local out = json.array({})
  if filled(asked.system) then add_system(out, asked.system) end
  for _, m in ipairs(asked.messages) do
    if m.role == "system" then -- in the middle of a conversation: it stays where it is
      add_system(out, m.content)
    elseif m.role == "assistant" then
      add_assistant(out, blocks(m.content))
    else
      add_user(out, blocks(m.content))
    end
  end
  return out
end

local function effort_of(asked)
  local effort = filled(object(asked.output_config).effort)
  local budget = given(object(asked.thinking).budget_tokens)
  if effort or not budget then return EFFORTS[effort or ""] end
  return budget < 4096 and "low" or budget < 16384 and "medium" or "high"
end

local function put_limits(out, asked, reasoning)
  local most = given(asked.max_tokens)
  if most then
    local field = config.max_tokens_field or (reasoning and "max_completion_tokens" or "max_tokens")
    out[field] = math.min(most, config.max_output or most)
  end
  for i, text in ipairs(object(asked.stop_sequences)) do
    if i == 1 then out.stop = {} end
    if i <= MAX_STOPS then out.stop[i] = text end
  end
  local user = filled(object(asked.metadata).user_id)
  if user then out.user = #user <= MAX_USER and user or tostring(hash(user)) end
  if reasoning then
    out.reasoning_effort = effort_of(asked)
    return
  end
  for _, key in ipairs({ "temperature", "top_p" }) do
    out[key] = given(asked[key])
  end
end

-- Tools that the API runs itself, or knows the schema of, have none to give: they are left out.
local function put_tools(out, asked, state)
  local tools, names = {}, {}
  for _, tool in ipairs(object(asked.tools)) do
    if given(tool.input_schema) then
      local name = short(tool.name)
      if name ~= tool.name then names[name] = tool.name end
      local f = { name = name, description = given(tool.description) or "", parameters = tool.input_schema }
      tools[#tools + 1] = { type = "function", ["function"] = f }
    end
  end
  if #tools == 0 then return end
  out.tools = tools
  if next(names) then state.names = names end
  local choice = object(asked.tool_choice)
  if choice.type == "tool" then
    out.tool_choice = { type = "function", ["function"] = { name = short(choice.name) } }
  elseif choice.type then
    out.tool_choice = CHOICES[choice.type]
  end
  if given(choice.disable_parallel_tool_use) then out.parallel_tool_calls = false end
end

-- A name as long as they may be there, the same for the same name.
function short(name)
  if #name <= MAX_NAME then return name end
  return string.sub(name, 1, 55) .. "_" .. hash(name) % 100000000
end

-- Not strict: that would refuse schemas that the API takes.
local function put_format(out, asked)
  local form = given(object(asked.output_config).format)
  if form then out.response_format = { type = "json_schema", json_schema = { name = "output", schema = form.schema } } end
end

function shape(ctx, upstream, principal, request)
  local asked = request.body:json()
  local model = upstream:model(ctx.model)
  local out = { model = model, messages = messages(asked) }
  put_limits(out, asked, reasons(model))
  put_tools(out, asked, request.state)
  put_format(out, asked)
  if ctx.stream then
    out.stream = true
    out.stream_options = { include_usage = true }
  end
  request.body:replace(out)
  request.url = address(upstream.base_url)
  for _, name in ipairs(HEADERS) do request.headers:remove(name) end
  request.headers:set("content-type", "application/json")
  request.headers:set("accept", ctx.stream and "text/event-stream" or "application/json")
end

-- --- the answer ---

local function thought(said) return filled(said.reasoning_content) or filled(said.reasoning) end

local function text_of(content)
  if type(content) ~= "table" then return filled(content) end
  local texts = {}
  for i, part in ipairs(content) do texts[i] = given(part.text) or "" end
  return filled(table.concat(texts))
end

-- The API takes letters, digits, _ and - back, and wants an id.
local function call_id(ctx, id, i)
  if filled(id) then return re.replace("[^a-zA-Z0-9_-]", id, "_") end
  return "call_" .. hash(ctx.request_id) .. "_" .. i
end

local function name_of(state, f)
  local name = given(f.name) or ""
  return state.names and state.names[name] or name
end

-- The arguments as an object. The body, which is read by then, tells whether they are JSON; what is not is shown to the model again.
local function input_of(response, arguments)
  if type(arguments) == "table" then return arguments end
  response.body:replace(filled(arguments) or "{}")
  if response.body:type("") == "object" then return response.body:json() end
  return { invalid_arguments = arguments }
end

-- Some servers say stop where they made calls. A client would then not run them.
local function stop_of(reason, calls)
  local stop = STOPS[given(reason) or ""] or "end_turn"
  return #calls > 0 and stop == "end_turn" and "tool_use" or stop
end

-- All keys are there, since clients add them up. Nothing told is all zero, which counts as unknown.
local function usage_of(told)
  told = object(told)
  local cached = given(object(told.prompt_tokens_details).cached_tokens) or 0
  local thinking = given(object(told.completion_tokens_details).reasoning_tokens) or 0
  return { input_tokens = math.max(0, (given(told.prompt_tokens) or 0) - cached), cache_creation_input_tokens = 0,
    cache_read_input_tokens = cached, output_tokens = given(told.completion_tokens) or 0,
    output_tokens_details = { thinking_tokens = thinking } }
end

local function message(ctx, answer, content)
  return { id = "msg_" .. (filled(answer.id) or hash(ctx.request_id)), type = "message", role = "assistant", model = ctx.model,
    content = json.array(content), stop_reason = json.null, stop_sequence = json.null, usage = usage_of(nil) }
end

function transform_response(ctx, response)
  local answer = response.body:json()
  if given(answer.error) then return { status = 500, body = error_of(500, response.body) } end
  local choice = answer.choices[1]
  local said = choice.message
  local content = {}
  if thought(said) then
    content[#content + 1] = { type = "thinking", thinking = thought(said), signature = "" }
  end
  local text = text_of(said.content) or filled(said.refusal)
  if text then -- an empty text would be refused when it comes back
    content[#content + 1] = { type = "text", text = text }
  end
  local calls = object(said.tool_calls)
  for i, call in ipairs(calls) do
    local f = call["function"]
    content[#content + 1] = { type = "tool_use", id = call_id(ctx, call.id, i - 1), name = name_of(response.state, f),
      input = input_of(response, f.arguments) }
  end
  local body = message(ctx, answer, content)
  body.stop_reason = stop_of(choice.finish_reason, calls)
  body.usage = usage_of(answer.usage)
  response.headers:set("content-type", "application/json")
  return { body = body }
end

-- --- the stream ---
-- The API sends one block after the other, OpenAI pieces of all of them. state: blocks (begun so far; nothing before the first chunk), open
-- ("", "text", "thinking", "tool"), lead and more (how a piece of it is written, and found), calls ({index, id, stage "waits", "open" or
-- "done", and name and args while it waits}), finish, usage, over. The first call goes out as it comes, and what comes of others meanwhile
-- waits for its end. It is kept small, since it is kept for each event.

-- What most pieces are: more of the open block and nothing else, in JSON as servers write it. Such a text passes as it is written.
local JSON_TEXT = '("(?:[^"\\\\\\x00-\\x1f]|\\\\(?:["\\\\/bfnrt]|u[0-9a-fA-F]{4}))+")'
local function more(inner) return '"delta":\\{(?:"role":"assistant",)?' .. inner .. '\\}[^{}]*"finish_reason":null\\}' end
local MORE_OF = {
  text = more('"content":' .. JSON_TEXT .. '(?:,"reasoning_content":null)?'),
  thinking = more('(?:"content":(?:""|null),)?"reasoning_content":' .. JSON_TEXT),
  tool = more('"tool_calls":\\[\\{"index":INDEX,(?:"type":"function",)?"function":\\{"arguments":' .. JSON_TEXT .. '\\}\\}\\]'),
}
local NOTHING = "\\z."
local DELTAS = { text = '"text_delta","text"', thinking = '"thinking_delta","thinking"', tool = '"input_json_delta","partial_json"' }

local function of(kind, data)
  data.type = kind
  return { name = kind, data = data }
end

local function begin(ctx, told, state)
  state.blocks, state.open = 0, ""
  return { of("message_start", { type = "", message = message(ctx, told, {}) }) }
end

local function start(out, state, kind, block, call)
  local index = state.blocks
  out[#out + 1] = of("content_block_start", { type = "", index = index, content_block = block })
  state.open, state.blocks = kind, index + 1
  state.lead = '{"type":"content_block_delta","index":' .. index .. ',"delta":{"type":' .. DELTAS[kind] .. ":"
  state.more = string.gsub(MORE_OF[kind], "INDEX", call)
end

local function piece(state, text)
  return { name = "content_block_delta", data = state.lead .. json.encode(text) .. "}}" }
end

local function stop(out, state)
  if state.open ~= "" then
    out[#out + 1] = of("content_block_stop", { type = "", index = state.blocks - 1 })
    state.open = ""
  end
end

local function start_call(ctx, out, state, call)
  local id = call_id(ctx, call.id, state.blocks)
  start(out, state, "tool", { type = "tool_use", id = id, name = name_of(state, call), input = {} }, call.index)
  if call.args ~= "" then out[#out + 1] = piece(state, call.args) end
  call.stage, call.name, call.args = "open", nil, nil
end

-- Ends the open block, and sends the calls that waited for it.
local function close(ctx, out, state)
  stop(out, state)
  for _, call in ipairs(state.calls or {}) do
    if call.stage == "waits" then
      start_call(ctx, out, state, call)
      stop(out, state)
    end
    call.stage = "done"
  end
end

-- Opens a block, unless one of its kind is open.
local function switch(ctx, out, state, kind, block)
  if state.open ~= kind then
    close(ctx, out, state)
    start(out, state, kind, block, 0)
  end
end

-- The call that a fragment belongs to. Some servers leave index out, or count all calls as 0 and tell them apart by id.
local function call_of(state, fragment)
  local index, id = given(fragment.index) or 0, filled(fragment.id)
  local calls = state.calls or {}
  for i = #calls, 1, -1 do
    local call = calls[i]
    if call.index == index and (not id or not call.id or call.id == id) then return call end
  end
  local call = { index = index, id = id, args = "", stage = "waits" }
  calls[#calls + 1] = call
  state.calls = calls
  state.more = NOTHING -- what comes may be of the same index
  return call
end

local function add_call(ctx, out, state, fragment)
  local f = object(fragment["function"])
  local call = call_of(state, fragment)
  local args = given(f.arguments) or ""
  if call.stage ~= "waits" then
    if args ~= "" and call.stage == "done" then error("arguments came for a call that a text had ended") end
    if args ~= "" then out[#out + 1] = piece(state, args) end
    return
  end
  call.id, call.name, call.args = call.id or filled(fragment.id), call.name or filled(f.name), call.args .. args
  if state.open ~= "tool" and call.name then
    stop(out, state)
    start_call(ctx, out, state, call)
  end
end

local function add_delta(ctx, out, state, delta)
  if thought(delta) then
    switch(ctx, out, state, "thinking", { type = "thinking", thinking = "", signature = "" })
    out[#out + 1] = piece(state, thought(delta))
  end
  local text = text_of(delta.content) or filled(delta.refusal)
  if text then
    switch(ctx, out, state, "text", { type = "text", text = "" })
    out[#out + 1] = piece(state, text)
  end
  for _, fragment in ipairs(object(delta.tool_calls)) do add_call(ctx, out, state, fragment) end
end

local function chunk(ctx, told, state)
  if given(told.error) then
    state.over = true
    return { of("error", { type = "", error = cause(0, told.error, "") }) }
  end
  local out = state.blocks and {} or begin(ctx, told, state)
  state.usage = given(told.usage) or state.usage
  for _, choice in ipairs(object(told.choices)) do
    add_delta(ctx, out, state, object(choice.delta))
    state.finish = filled(choice.finish_reason) or state.finish
  end
  return out
end

local function finish(ctx, state)
  local out = state.blocks and {} or begin(ctx, {}, state)
  close(ctx, out, state)
  state.over = true
  local reason = stop_of(state.finish, state.calls or {})
  out[#out + 1] = of("message_delta", { type = "", delta = { stop_reason = reason, stop_sequence = json.null }, usage = usage_of(state.usage) })
  out[#out + 1] = of("message_stop", {})
  return out
end

function transform_event(ctx, event, state)
  if state.over then return {} end
  local data = event.data
  if filled(state.open) then
    local found = re.find(state.more, data)
    if found then return { { name = "content_block_delta", data = state.lead .. found[2] .. "}}" } } end
  end
  if event.name == "$end" then -- without a finish_reason it was cut: the gateway says so
    return event.complete and state.finish and finish(ctx, state) or {}
  end
  if string.sub(data, 1, 6) == "[DONE]" then return finish(ctx, state) end
  if string.sub(data, 1, 1) ~= "{" then return {} end -- some servers keep a client waiting with words
  return chunk(ctx, event:json(), state)
end

-- --- errors ---

function cause(status, told, plain)
  if type(told) == "string" then told = { message = told } end
  local text = filled(told.message) or filled(plain) or "the upstream answered with status " .. status .. " and no error of its own"
  if type(text) ~= "string" then text = json.encode(text) end
  local code = given(told.code)
  local kind = STATUSES[status > 0 and status or code or 0] or CODES[code or ""] or CODES[given(told.type) or ""] or "api_error"
  if re.test(TOO_LONG, text .. " " .. tostring(code)) then
    kind, text = "invalid_request_error", "prompt is too long: " .. text .. " (capability_rejected: prompt_too_long)"
  end
  return { type = kind, message = text }
end

-- Servers put the error under error, or into a text there, or straight into the body; what stands before them answers in plain text.
function error_of(status, body)
  local told = body:get("error") or { message = body:get("message") or body:get("detail"), type = body:get("type"), code = body:get("code") }
  local plain = string.sub(body:raw(""), 1, 500)
  if string.find(plain, "^[<{]") then plain = "" end
  return { type = "error", error = cause(status, told, plain) }
end

function normalize_error(status, body)
  if body:get("type") == "error" then return nil end
  return { body = error_of(status, body) }
end
