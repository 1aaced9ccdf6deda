-- Claude in Amazon Bedrock ("Mantle"): the API's own requests and streams, below /anthropic and with ids of its own.
local aws_error = require("lib.aws").aws_error

plugin = { name = "bedrock_mantle", version = "1.0.0", description = "Claude in Amazon Bedrock, the Messages API" }

local function mantle_model(asked, upstream)
  if not asked then error("the request names no model") end
  local own = upstream:model(asked)
  if own == asked and string.sub(asked, 1, 10) ~= "anthropic." then own = "anthropic." .. asked end
  return own
end

function shape(ctx, upstream, principal, request)
  local base = upstream.base_url
  if string.sub(base, -10) ~= "/anthropic" then base = base .. "/anthropic" end
  request.url = base .. "/v1/messages"
  if mantle_model(ctx.model, upstream) ~= ctx.model then request.body:set("model", mantle_model(ctx.model, upstream)) end
end

function normalize_error(status, body, headers)
  return aws_error(status, body, headers)
end
