-- Takes secrets and addresses out of texts.
local redact = {}

local patterns = {
  { "sk-[A-Za-z0-9_-]{16,}", "[key]" },
  { "AKIA[0-9A-Z]{16}", "[key]" },
  { "(?i)[a-z0-9._%+-]+@[a-z0-9.-]+\\.[a-z]{2,}", "[email]" },
}

function redact.redact(text)
  for _, p in ipairs(patterns) do
    text = re.replace(p[1], text, p[2])
  end
  return text
end

local function redact_at(body, path)
  local text = body:get(path)
  local clean = redact.redact(text)
  if clean ~= text then body:set(path, clean) end
end

local function redact_content(body, path)
  local kind = body:type(path)
  if kind == "string" then
    redact_at(body, path)
  elseif kind == "list" then
    for i = 0, #body:get(path) - 1 do
      local at = path .. "." .. i .. ".text"
      if body:type(at) == "string" then redact_at(body, at) end
    end
  end
end

-- Redacts the texts of the system prompt and of all messages, in place.
function redact.redact_body(body)
  redact_content(body, "system")
  for i = 0, #body:get("messages", {}) - 1 do
    redact_content(body, "messages." .. i .. ".content")
  end
end

function test_texts_lose_their_secrets(t)
  t:eq(redact.redact("mail me@example.org the key sk-ant-0123456789abcdef"), "mail [email] the key [key]")
  t:eq(redact.redact("nothing here"), "nothing here")
end

return redact
