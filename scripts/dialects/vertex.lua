-- Claude on Google Cloud (rawPredict). The model goes into the address; betas stay in their header.
-- config: models {asked: Google's id}, drop_betas [those that Google refuses].
local count = require("lib.given").count

plugin = { name = "vertex", version = "1.0.0", description = "Claude on Google Cloud Vertex AI" }

-- Names without a date for which Google wants one.
local models = {
  ["claude-sonnet-4-5"] = "claude-sonnet-4-5@20250929",
  ["claude-haiku-4-5"] = "claude-haiku-4-5@20251001",
  ["claude-opus-4-5"] = "claude-opus-4-5@20251101",
}

-- What kind of error a status is.
local statuses = { [400] = "invalid_request_error", [401] = "authentication_error", [403] = "permission_error", [404] = "not_found_error",
                   [413] = "request_too_large", [429] = "rate_limit_error", [503] = "overloaded_error", [504] = "timeout_error",
                   [529] = "overloaded_error" }

local function vertex_model(asked, upstream)
  if not asked then error("the request names no model") end
  local own = upstream:model(asked)
  if own ~= asked then return own end
  own = config.models and config.models[asked]
  if own and own ~= "" then return own end
  return models[asked] or re.replace("-(20[0-9]{6})$", asked, "@$1")
end

local function holds(list, value)
  for _, v in ipairs(list) do
    if v == value then return true end
  end
  return false
end

local function drop_betas(headers)
  local refused = config.drop_betas or {}
  if #refused == 0 or not headers["anthropic-beta"] then return end
  local kept = {}
  for _, line in ipairs(headers:all("anthropic-beta")) do
    for _, found in ipairs(re.find_all("[^,]+", line)) do
      local name = re.replace("^\\s+|\\s+$", found[1], "")
      if name ~= "" and not holds(refused, name) then kept[#kept + 1] = name end
    end
  end
  if #kept > 0 then
    headers:set("anthropic-beta", table.concat(kept, ","))
  else
    headers:remove("anthropic-beta")
  end
end

function shape(ctx, upstream, principal, request)
  local base = upstream.base_url
  if string.sub(base, -3) ~= "/v1" then base = base .. "/v1" end
  base = base .. "/projects/" .. (upstream.project or "") .. "/locations/" .. (upstream.region or "") .. "/publishers/anthropic/models/"
  local body = request.body
  local model = vertex_model(ctx.model, upstream)
  if ctx.path == "/v1/messages/count_tokens" then
    request.url = base .. "count-tokens:rawPredict"
    if model ~= ctx.model then body:set("model", model) end
  else
    request.url = base .. url.escape(model) .. (ctx.stream and ":streamRawPredict" or ":rawPredict")
    body:remove("model")
  end
  if not body:has("anthropic_version") then
    local asked = request.headers["anthropic-version"]
    if not asked or asked == "" or asked == "2023-06-01" then asked = "vertex-2023-10-16" end
    body:set("anthropic_version", asked)
    request.headers:remove("anthropic-version")
  end
  drop_betas(request.headers)
end

function normalize_error(status, body)
  if body:has("error.type") then return nil end
  local at = body:type("0.error") and "0.error" or "error"
  if status == 0 then status = count(body:get(at .. ".code")) end -- a stream has none
  if status == 0 then return nil end
  local message = body:get(at .. ".message")
  if type(message) ~= "string" or message == "" then
    message = "the upstream answered with status " .. status .. " and no error of its own"
  end
  return { body = { type = "error", error = { type = statuses[status] or "api_error", message = message } } }
end
