-- Claude on Amazon Bedrock (InvokeModel). The model goes into the address, betas into the body, and what Bedrock refuses is left out.
-- config: models {asked: Bedrock's id}, prefix ("us.", "eu.", "global." …: of an inference profile), betas [further ones that pass],
-- system_role ("user": what a system message within the conversation becomes; "system": it stays).
local aws_error = require("lib.aws").aws_error

plugin = { name = "bedrock", version = "1.0.0", description = "Claude on Amazon Bedrock" }

-- The API's names of models, and Bedrock's. An upstream's own "models" come first, then config.
local models = {
  ["claude-opus-4-1-20250805"] = "anthropic.claude-opus-4-1-20250805-v1:0",
  ["claude-opus-4-20250514"] = "anthropic.claude-opus-4-20250514-v1:0",
  ["claude-sonnet-4-20250514"] = "anthropic.claude-sonnet-4-20250514-v1:0",
  ["claude-sonnet-4-5"] = "anthropic.claude-sonnet-4-5-20250929-v1:0",
  ["claude-sonnet-4-5-20250929"] = "anthropic.claude-sonnet-4-5-20250929-v1:0",
  ["claude-haiku-4-5"] = "anthropic.claude-haiku-4-5-20251001-v1:0",
  ["claude-haiku-4-5-20251001"] = "anthropic.claude-haiku-4-5-20251001-v1:0",
  ["claude-opus-4-5"] = "anthropic.claude-opus-4-5-20251101-v1:0",
  ["claude-opus-4-5-20251101"] = "anthropic.claude-opus-4-5-20251101-v1:0",
  ["claude-opus-4-6"] = "anthropic.claude-opus-4-6-v1",
  ["claude-sonnet-4-6"] = "anthropic.claude-sonnet-4-6",
  ["claude-opus-4-7"] = "anthropic.claude-opus-4-7",
  ["claude-opus-4-8"] = "anthropic.claude-opus-4-8",
  ["claude-opus-5"] = "anthropic.claude-opus-5",
  ["claude-sonnet-5"] = "anthropic.claude-sonnet-5",
}

-- The betas that Bedrock takes, each with its name there. Any other would be refused as an invalid beta flag.
local betas_there = {
  ["interleaved-thinking-2025-05-14"] = "interleaved-thinking-2025-05-14",
  ["token-efficient-tools-2025-02-19"] = "token-efficient-tools-2025-02-19",
  ["fine-grained-tool-streaming-2025-05-14"] = "fine-grained-tool-streaming-2025-05-14",
  ["output-128k-2025-02-19"] = "output-128k-2025-02-19",
  ["context-1m-2025-08-07"] = "context-1m-2025-08-07",
  ["computer-use-2025-01-24"] = "computer-use-2025-01-24",
  ["computer-use-2025-11-24"] = "computer-use-2025-11-24",
  ["effort-2025-11-24"] = "effort-2025-11-24",
  ["tool-search-tool-2025-10-19"] = "tool-search-tool-2025-10-19",
  ["advanced-tool-use-2025-11-20"] = "tool-search-tool-2025-10-19",
  ["tool-examples-2025-10-29"] = "tool-examples-2025-10-29",
  ["thinking-token-count-2026-05-13"] = "thinking-token-count-2026-05-13",
}

-- Fields that Bedrock takes with a beta alone, or not at all (false).
local fields = {
  { "cache_control", false },
  { "container", false },
  { "context_management", "context-management-2025-06-27" },
  { "fallbacks", false },
  { "inference_geo", false },
  { "mcp_servers", false },
  { "safeguards", false },
  { "service_tier", false },
  { "speed", false },
}
local tool_fields = {
  { "strict", false }, { "defer_loading", "tool-search-tool-2025-10-19" }, { "input_examples", "tool-examples-2025-10-29" },
}

-- Tools that the API runs itself.
local server_tools = { "web_search_", "web_fetch_", "code_execution_" }

-- Models of before 4.7: they know no system message within the conversation, and no version of the API but Bedrock's own.
local old_models = "claude-3|claude-(opus|sonnet|haiku)-4-([0-6]($|[^0-9])|20)"

-- Where an image or a document may not be.
local elsewhere = { url = true, file = true }

local function holds(list, value)
  for _, v in ipairs(list) do
    if v == value then return true end
  end
  return false
end

local function bedrock_model(asked, upstream)
  if not asked then error("the request names no model") end
  local own = upstream:model(asked)
  if own ~= asked then return own end
  own = config.models and config.models[asked]
  if not own or own == "" then own = models[asked] end
  if own then return (config.prefix or "") .. own end
  if not string.find(asked, "anthropic.", 1, true) and string.sub(asked, 1, 4) ~= "arn:" then
    error('model "' .. asked .. '" has no id on Bedrock, want it in the upstream\'s models')
  end
  return asked
end

local function kept_betas(names)
  local kept = {}
  for _, found in ipairs(re.find_all("[^,]+", table.concat(names, ","))) do
    local name = re.replace("^\\s+|\\s+$", found[1], "")
    if not holds(config.betas or {}, name) then name = betas_there[name] end
    if name and name ~= "" and not holds(kept, name) then kept[#kept + 1] = name end
  end
  return kept
end

-- The betas of the header and of the body, as one list in the body.
local function move_betas(headers, body)
  local names, said = {}, body:get("anthropic_beta")
  for _, line in ipairs(headers:all("anthropic-beta")) do names[#names + 1] = line end
  for _, name in ipairs(type(said) == "table" and said or {}) do
    if type(name) == "string" then names[#names + 1] = name end
  end
  local betas = kept_betas(names)
  headers:remove("anthropic-beta")
  body:remove("anthropic_beta")
  if #betas > 0 then body:set("anthropic_beta", betas) end
  return betas
end

local function tables(list)
  local out = {}
  if type(list) ~= "table" then return out end
  for i, e in ipairs(list) do out[i] = type(e) == "table" and e or {} end
  return out
end

local function is_served(kind)
  if type(kind) ~= "string" then return false end
  for _, s in ipairs(server_tools) do
    if string.sub(kind, 1, #s) == s then return true end
  end
  return false
end

local function fit_tools(body, unfit)
  local tools, gone = tables(body:get("tools")), {}
  for i = #tools, 1, -1 do
    if is_served(tools[i].type) then
      body:remove("tools." .. i - 1)
      gone[#gone + 1] = tools[i].name or json.null
    else
      for _, field in ipairs(unfit) do
        if tools[i][field] ~= nil then body:remove("tools." .. i - 1 .. "." .. field) end
      end
    end
  end
  if #gone > 0 and #gone == #tools then body:remove("tools") end
  if #gone > 0 and (#gone == #tools or holds(gone, body:get("tool_choice.name", ""))) then body:remove("tool_choice") end
end

local function leave_out(body, betas)
  for _, f in ipairs(fields) do
    if body:has(f[1]) and not holds(betas, f[2]) then body:remove(f[1]) end
  end
  local tools, unfit = body:raw("tools") or "", {}
  local hidden = string.find(tools, "\\u00", 1, true) ~= nil -- an escaped letter: a name that has one is not found as it stands
  local served = hidden
  for _, f in ipairs(tool_fields) do
    if (hidden or string.find(tools, '"' .. f[1] .. '"', 1, true)) and not holds(betas, f[2]) then unfit[#unfit + 1] = f[1] end
  end
  for _, s in ipairs(server_tools) do
    served = served or string.find(tools, '"' .. s, 1, true) ~= nil
  end
  if #unfit > 0 or served then fit_tools(body, unfit) end
end

local function refuse_elsewhere(source, i)
  if type(source) == "table" and elsewhere[source.type] then
    error("messages." .. i .. ': a source of type "' .. source.type .. '" is not taken by Bedrock, want base64')
  end
end

local function count(text, part)
  local n, at = 0, 1
  while true do
    local _, to = string.find(text, part, at, true)
    if not to then return n end
    n, at = n + 1, to + 1
  end
end

-- At most so many messages are the system's: behind the last of them nobody looks.
local function give_role(body, role, most)
  for i = 0, 100000 do
    local place = "messages." .. i .. ".role"
    local now = nil
    if most > 0 then now = body:get(place) end
    if now == nil then return end
    if now == "system" then
      body:set(place, role)
      most = most - 1
    end
  end
end

local function fit_messages(body, old)
  local messages, listed = body:raw("messages") or "", {}
  local function has(part) return string.find(messages, part, 1, true) ~= nil end
  local role = config.system_role or (old and "user" or "system")
  local hidden = has("\\u00") and (has("\\u006") or has("\\u007")) -- a letter of what is looked for may be escaped
  if hidden or has('"url"') or has('"file"') then listed = tables(body:get("messages")) end
  if role ~= "system" and hidden then
    for i, m in ipairs(listed) do
      if m.role == "system" then body:set("messages." .. i - 1 .. ".role", role) end
    end
  elseif role ~= "system" then
    give_role(body, role, count(messages, '"system"'))
  end
  for i, m in ipairs(listed) do
    for _, block in ipairs(tables(m.content)) do
      refuse_elsewhere(block.source, i - 1)
      for _, b in ipairs(tables(block.content)) do refuse_elsewhere(b.source, i - 1) end
    end
  end
end

local function version(headers, old)
  local asked = headers["anthropic-version"]
  if old or not asked or asked == "" or asked == "2023-06-01" then return "bedrock-2023-05-31" end
  return asked
end

local function translate(body, headers, old)
  if not body:has("anthropic_version") then body:set("anthropic_version", version(headers, old)) end
  headers:remove("anthropic-version")
  body:remove("model")
  body:remove("stream")
  leave_out(body, move_betas(headers, body))
  fit_messages(body, old)
end

-- What a client of Bedrock sent comes as it was: the model is not in it, and the version is. It knows what Bedrock takes.
local function is_bedrocks(body)
  return body:has("anthropic_version") and not body:has("model")
end

function shape(ctx, upstream, principal, request)
  local action = ctx.stream and "/invoke-with-response-stream" or "/invoke"
  local model = bedrock_model(ctx.model, upstream)
  request.url = upstream.base_url .. "/model/" .. url.escape(model) .. action
  request.headers:set("accept", ctx.stream and "application/vnd.amazon.eventstream" or "application/json")
  request.headers:set("content-type", "application/json")
  if not is_bedrocks(request.body) then translate(request.body, request.headers, re.test(old_models, model)) end
end

function normalize_error(status, body, headers)
  return aws_error(status, body, headers)
end
