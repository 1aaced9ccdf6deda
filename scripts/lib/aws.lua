-- The errors of AWS, in the shape of the API.
local aws = {}

local types = {
  validationexception = { 400, "invalid_request_error" },
  servicequotaexceededexception = { 400, "invalid_request_error" },
  unrecognizedclientexception = { 403, "permission_error" },
  accessdeniedexception = { 403, "permission_error" },
  expiredtokenexception = { 403, "permission_error" },
  invalidsignatureexception = { 403, "permission_error" },
  resourcenotfoundexception = { 404, "not_found_error" },
  modeltimeoutexception = { 504, "timeout_error" },
  modelerrorexception = { 500, "api_error" },
  modelstreamerrorexception = { 500, "api_error" },
  throttlingexception = { 429, "rate_limit_error" },
  modelnotreadyexception = { 529, "overloaded_error" },
  serviceunavailableexception = { 529, "overloaded_error" },
  internalserverexception = { 500, "api_error" },
}

local statuses = { [400] = "invalid_request_error", [401] = "authentication_error", [403] = "permission_error", [404] = "not_found_error",
                   [413] = "request_too_large", [429] = "rate_limit_error", [503] = "overloaded_error", [504] = "timeout_error",
                   [529] = "overloaded_error" }

-- What Bedrock says of a prompt that is too long, which clients look for in the API's words.
local too_long = "Input is too long for requested model"

-- What the body says under a key, nothing where that is no text.
local function said(body, key)
  local value = body:get(key)
  return type(value) == "string" and value ~= "" and value or nil
end

-- The name that the headers give an error, nothing where they give none.
local function named(headers)
  local name = headers and headers["x-amzn-errortype"]
  return name ~= "" and name or nil
end

-- The error of an answer, or of an exception in a stream (status 0). Nothing where it is one of the API already.
function aws.aws_error(status, body, headers)
  if body:has("error.type") then return nil end
  local name = said(body, "exception") or named(headers) or said(body, "__type") or ""
  name = re.replace("(?s)^.*#", re.replace("(?s):.*$", name, ""), "")
  local known = types[string.lower(name)] or { status ~= 0 and status or 500, statuses[status] or "api_error" }
  status = known[1]
  local message = said(body, "message") or said(body, "Message") or "the upstream answered with status " .. status .. " and no error of its own"
  if string.find(message, too_long, 1, true) then message = "prompt is too long: " .. message .. " (capability_rejected: prompt_too_long)" end
  return { status = status, body = { type = "error", error = { type = known[2], message = message } } }
end

function test_a_name_decides(t)
  local out = aws.aws_error(400, t:request('{"message": "slow"}').body, { ["x-amzn-errortype"] = "ThrottlingException:http://x/" })
  t:eq(out, { status = 429, body = { type = "error", error = { type = "rate_limit_error", message = "slow" } } })
end

function test_a_name_ends_at_its_colon(t)
  local out = aws.aws_error(0, t:request([[{"exception": "a\n#ThrottlingException:\nof a line feed", "message": "slow"}]]).body, nil)
  t:eq(out.body.error.type, "rate_limit_error")
end

function test_a_status_decides_where_no_name_is(t)
  t:eq(aws.aws_error(403, t:request('{"Message": "no"}').body, {}).body.error.type, "permission_error")
  t:eq(aws.aws_error(502, t:request("<html>").body, {}).status, 502)
end

function test_an_exception_of_a_stream(t)
  local out = aws.aws_error(0, t:request('{"exception": "serviceUnavailableException", "message": "full"}').body, nil)
  t:eq(out.body.error, { type = "overloaded_error", message = "full" })
end

function test_a_long_prompt_is_told_in_the_words_of_the_api(t)
  local out = aws.aws_error(400, t:request('{"message": "Input is too long for requested model."}').body, nil)
  t:eq(out.body.error.message, "prompt is too long: Input is too long for requested model. (capability_rejected: prompt_too_long)")
end

function test_an_error_of_the_api_passes(t)
  t:eq(aws.aws_error(429, t:request('{"type":"error","error":{"type":"rate_limit_error"}}').body, nil), nil)
end

return aws
