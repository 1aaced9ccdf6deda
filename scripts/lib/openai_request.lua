-- A request of the API as one of OpenAI's chat completions. What is not of the API's form goes out as it stands: the server says what is
-- wrong with it. config is that of dialects/openai.
local ids = require("lib.call_ids")
local given = require("lib.given")
local kind, text, object, items, count = given.kind, given.text, given.object, given.items, given.count

-- Models that reason: they take max_completion_tokens and reasoning_effort, and no sampling.
local REASONING = "^(o[0-9]|gpt-5)"
local EFFORTS = { low = "low", medium = "medium", high = "high", xhigh = "high", max = "high" }

local CHOICES = { auto = "auto", any = "required", none = "none" }

local MAX_NAME, MAX_STOPS, MAX_USER = 64, 4, 64

-- The texts that a source must have by its type.
local SOURCES = { base64 = { "media_type", "data" }, url = { "url" }, text = { "data" } }

-- The billing block of Claude Code is for the API alone.
local BILLING = "x-anthropic-billing-header:"

local function put(out, key, value)
  if value ~= nil and value ~= json.null then out[key] = value end
end

local function reasons(model)
  if kind(config.reasoning) == "bool" then return config.reasoning end
  return re.test(REASONING, model or "")
end

-- Whether v is an object with texts under all of these.
local function has(v, ...)
  if kind(v) ~= "object" then return false end
  for i = 1, select("#", ...) do
    if type(v[select(i, ...)]) ~= "string" then return false end
  end
  return true
end

local function blocks(content)
  if type(content) == "string" then return { { type = "text", text = content } } end
  return kind(content) == "list" and content or nil
end

local function system_role() return text(config.system_role) or "system" end

-- A name as long as they may be there, the same for the same name.
local function short(name)
  if #name <= MAX_NAME then return name end
  return string.sub(name, 1, 55) .. "_" .. hash(name) % 100000000
end

-- What adds a message to out returns whether its blocks, nil where there are none, are of the API's form. If not, it adds nothing.
local add = {}

-- One in the middle of a conversation stays where it is.
function add.system(out, content)
  if not content then return false end
  local texts = {}
  for _, b in ipairs(content) do
    if not has(b, "type") then return false end
    if b.type == "text" then
      if type(b.text) ~= "string" then return false end
      if b.text ~= "" and string.sub(b.text, 1, #BILLING) ~= BILLING then texts[#texts + 1] = b.text end
    end
  end
  if #texts > 0 then out[#out + 1] = { role = system_role(), content = table.concat(texts, "\n\n") } end
  return true
end

local function call_of(b)
  local input = b.input
  if input == nil or input == json.null then input = {} end
  local f = { name = short(b.name), arguments = json.encode(input) }
  return { id = ids.unfit(b.id), type = "function", ["function"] = f }
end

-- Thoughts are the provider's own and go nowhere else. A message of nothing would be refused.
function add.assistant(out, content)
  if not content then return false end
  local texts, calls = {}, {}
  for _, b in ipairs(content) do
    if not has(b, "type") then return false end
    if b.type == "text" then
      if type(b.text) ~= "string" then return false end
      texts[#texts + 1] = b.text
    elseif b.type == "tool_use" then
      if not has(b, "id", "name") then return false end
      calls[#calls + 1] = call_of(b)
    end
  end
  local said = text(table.concat(texts))
  if #calls > 0 then
    out[#out + 1] = { role = "assistant", content = said or json.null, tool_calls = calls }
  elseif said then
    out[#out + 1] = { role = "assistant", content = said }
  end
  return true
end

local function link(source)
  if source.type == "base64" then return "data:" .. source.media_type .. ";base64," .. source.data end
  if source.type == "url" then return source.url end
  error("an image whose source is of type " .. source.type .. " cannot be sent, want base64 or url")
end

local function source_part(b, source)
  if not has(source, "type") or not has(source, unpack(SOURCES[source.type] or {})) then return nil end
  if b.type == "image" then return { type = "image_url", image_url = { url = link(source) } } end
  if source.type == "base64" then
    return { type = "file", file = { filename = text(b.title) or "document.pdf", file_data = link(source) } }
  end
  if source.type == "text" then return { type = "text", text = source.data } end
  error("a document whose source is of type " .. source.type .. " cannot be sent, want base64 or text")
end

-- A block of a user as a part, or nothing where it is not of the API's form. What has no counterpart there is shown as it stands.
local function part_of(b)
  if not has(b, "type") then return nil end
  if b.type == "text" then return type(b.text) == "string" and { type = "text", text = b.text } or nil end
  if b.type == "image" or b.type == "document" then return source_part(b, object(b.source)) end
  b.cache_control = nil
  return { type = "text", text = json.encode(b) }
end

-- A tool's message; nothing where b is not of the API's form. Most servers take no image from a tool: it is shown by the user.
local function result_of(b, parts)
  local content, texts = kind(b.content) and blocks(b.content), {}
  if not has(b, "tool_use_id") or kind(b.content) and not content then return nil end
  for _, inner in ipairs(content or {}) do
    local part = part_of(inner)
    if not part then return nil end
    if part.type == "text" then
      texts[#texts + 1] = part.text
    else
      parts[#parts + 1] = part
    end
  end
  local told = (b.is_error == true and "Error: " or "") .. table.concat(texts, "\n")
  return { role = "tool", tool_call_id = ids.unfit(b.tool_use_id), content = told }
end

-- Results of tools come first, since each must follow the calls directly; then all else in one message. An empty text would be refused.
function add.user(out, content)
  if not content then return false end
  local results, parts = {}, {}
  for _, b in ipairs(content) do
    local result = type(b) == "table" and b.type == "tool_result"
    local made = result and result_of(b, parts) or not result and part_of(b)
    if not made then return false end
    if result then
      results[#results + 1] = made
    elseif made.text ~= "" then
      parts[#parts + 1] = made
    end
  end
  for _, result in ipairs(results) do out[#out + 1] = result end
  if #parts == 1 and parts[1].type == "text" then
    out[#out + 1] = { role = "user", content = parts[1].text }
  elseif #parts > 0 then
    out[#out + 1] = { role = "user", content = parts }
  end
  return true
end

local function messages(asked)
  local system, out = asked.system, json.array({})
  if kind(asked.messages) ~= "list" then return asked.messages end
  if system ~= nil and system ~= json.null and not add.system(out, blocks(system)) then
    out[1] = { role = system_role(), content = system }
  end
  for _, m in ipairs(asked.messages) do
    local role, content = object(m).role, object(m).content
    if type(content) == "string" and (role == "user" or role == "assistant") then
      if content ~= "" then out[#out + 1] = { role = role, content = content } end
    else
      local f = add[text(role) or ""]
      if not f or not f(out, blocks(content)) then out[#out + 1] = m end
    end
  end
  return out
end

local function put_limits(out, asked, reasoning)
  local most, cap = asked.max_tokens, count(config.max_output)
  if cap > 0 and count(most) > cap then most = cap end
  put(out, text(config.max_tokens_field) or (reasoning and "max_completion_tokens" or "max_tokens"), most)
  local stops = asked.stop_sequences
  if kind(stops) ~= "list" then
    put(out, "stop", stops)
  elseif #stops > 0 then
    out.stop = {}
    for i = 1, math.min(#stops, MAX_STOPS) do out.stop[i] = stops[i] end
  end
  local user = text(object(asked.metadata).user_id)
  if user then out.user = #user <= MAX_USER and user or tostring(hash(user)) end
end

local function effort_of(asked)
  local effort = text(object(asked.output_config).effort)
  local thinking = object(asked.thinking)
  local budget = count(thinking.budget_tokens)
  if effort or budget == 0 or thinking.type == "disabled" then return EFFORTS[effort or ""] end
  return budget < 4096 and "low" or budget < 16384 and "medium" or "high"
end

-- Models that reason have an effort instead.
local function put_sampling(out, asked, reasoning)
  if reasoning then
    out.reasoning_effort = effort_of(asked)
    return
  end
  for _, key in ipairs({ "temperature", "top_p" }) do put(out, key, asked[key]) end
end

-- Tools that the API runs itself, or knows the schema of, have none to give: they are left out.
local function add_tool(tools, names, gone, tool)
  local schema, own = object(tool).input_schema, object(tool).type
  if schema == json.null then schema = nil end
  own = own ~= nil and own ~= json.null and own ~= "custom"
  if not has(tool, "name") or schema == nil and not own then
    tools[#tools + 1] = tool
  elseif schema ~= nil then
    local name = short(tool.name)
    if name ~= tool.name then names[name] = tool.name end
    local f = { name = name, description = "", parameters = schema }
    put(f, "description", tool.description)
    tools[#tools + 1] = { type = "function", ["function"] = f }
  else
    gone[tool.name] = true
  end
end

local function put_choice(out, choice)
  local wanted = object(choice).type
  if wanted == "tool" and has(choice, "name") then
    out.tool_choice = { type = "function", ["function"] = { name = short(choice.name) } }
  else
    put(out, "tool_choice", CHOICES[text(wanted) or ""] or choice)
  end
  if object(choice).disable_parallel_tool_use == true then out.parallel_tool_calls = false end
end

local function put_tools(out, asked, state)
  local choice, tools, names, gone = asked.tool_choice, {}, {}, {}
  for _, tool in ipairs(items(asked.tools)) do add_tool(tools, names, gone, tool) end
  if kind(asked.tools) ~= "list" then put(out, "tools", asked.tools) end
  if next(names) then state.names = names end
  if #tools > 0 then
    out.tools = tools
    if object(choice).type ~= "tool" or not gone[choice.name] then put_choice(out, choice) end
  end
end

-- Not strict: that would refuse schemas that the API takes.
local function put_format(out, asked)
  local form = object(asked.output_config).format
  local schema = object(form).schema
  if schema == nil or schema == json.null then
    put(out, "response_format", form)
  else
    out.response_format = { type = "json_schema", json_schema = { name = "output", schema = schema } }
  end
end

-- The body to send. The names of tools that had to be cut are left in state: names, from the short one to the whole one.
local function chat_request(asked, model, stream, state)
  local out = { model = model }
  put(out, "messages", messages(asked))
  put_limits(out, asked, reasons(model))
  put_sampling(out, asked, reasons(model))
  put_tools(out, asked, state)
  put_format(out, asked)
  if stream then
    out.stream = true
    out.stream_options = { include_usage = true }
  end
  return out
end

return { chat_request = chat_request }
