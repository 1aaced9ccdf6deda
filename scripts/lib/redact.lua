-- Takes secrets and addresses out of texts, and out of the strings of JSON.
-- config: patterns, the names of those that are used ([key, token, email]); all where it does not say.
local redact = {}

-- Every pattern matches within one word, so that a stream need not hold back more than the word that is not over. Expressions cost time:
-- each is tried where its hint stands, which is a part of all that it matches.
local patterns = {
  { "key", "sk-", "sk-[A-Za-z0-9_-]{16,}", "[key]" },
  { "key", "AKIA", "AKIA[0-9A-Z]{16}", "[key]" },
  { "key", "AIza", "AIza[A-Za-z0-9_-]{35}", "[key]" },
  { "key", "ghp_", "ghp_[A-Za-z0-9]{36,}", "[key]" },
  { "key", "ghs_", "ghs_[A-Za-z0-9]{36,}", "[key]" },
  { "key", "github_pat_", "github_pat_[A-Za-z0-9_]{36,}", "[key]" },
  { "key", "xox", "xox[abprs]-[A-Za-z0-9-]{10,}", "[key]" },
  { "token", "eyJ", "eyJ[A-Za-z0-9_-]{8,}\\.[A-Za-z0-9_-]{8,}\\.[A-Za-z0-9_-]*", "[token]" },
  { "email", "@", "(?i)[a-z0-9._%+-]+@[a-z0-9.-]+\\.[a-z]{2,}", "[email]" },
}
local WORD = "[A-Za-z0-9._%+@-]*$"

local STRING = '"(?:[^"\\\\]|\\\\.)*"'

-- Thoughts are signed: the API refuses them when they come back changed.
redact.signed = { thinking = true, redacted_thinking = true, thinking_delta = true, signature_delta = true }

local function chosen()
  local known, names, wanted, out = {}, {}, {}, {}
  for _, p in ipairs(patterns) do
    if not known[p[1]] then names[#names + 1] = p[1] end
    known[p[1]] = true
  end
  for _, name in ipairs(config.patterns or names) do
    if not known[name] then
      error('config.patterns names "' .. tostring(name) .. '", want one of ' .. table.concat(names, ", "))
    end
    wanted[name] = true
  end
  for _, p in ipairs(patterns) do
    if wanted[p[1]] then out[#out + 1] = p end
  end
  return out
end

local used = chosen()

local function hinted(text)
  for _, p in ipairs(used) do
    if string.find(text, p[2], 1, true) then return true end
  end
  return false
end

function redact.redact(text)
  for _, p in ipairs(used) do
    if string.find(text, p[2], 1, true) then text = re.replace(p[3], text, p[4]) end
  end
  return text
end

-- The word at the end of a text, of which more may come.
function redact.unfinished(text) return re.find(WORD, text)[1] end

-- Redacts what the strings of a JSON text say, even where it breaks off. All other bytes stay.
function redact.redact_json(raw)
  if not hinted(raw) and not string.find(raw, "\\u00", 1, true) then return raw end
  local out, at = {}, 1
  for _, found in ipairs(re.find_all(STRING, raw)) do
    local literal = found[1]
    local start = string.find(raw, literal, at, true)
    local text = json.decode(literal)
    local clean = redact.redact(text)
    out[#out + 1] = string.sub(raw, at, start - 1) .. (clean == text and literal or json.encode(clean))
    at = start + #literal
  end
  return table.concat(out) .. redact.redact(string.sub(raw, at))
end

local function redact_at(body, path)
  local raw = body:raw(path)
  local clean = raw and redact.redact_json(raw)
  if clean ~= raw then body:set_raw(path, clean) end
end

-- Redacts what stands at path: a text, or the blocks of a list but for thoughts. The way to a block is long, so few are looked up.
function redact.redact_content(body, path, content)
  if type(content) == "string" then
    if hinted(content) then redact_at(body, path) end
    return
  end
  for i, block in ipairs(content) do
    if not redact.signed[block.type or ""] and hinted(json.encode(block)) then redact_at(body, path .. "." .. i - 1) end
  end
end

-- Redacts all strings of a body of JSON or of lines of JSON.
function redact.redact_all(body)
  local raw = body:raw("")
  local clean = re.test("^\\s*[\\[{]", raw) and redact.redact_json(raw) or raw
  if clean ~= raw then body:replace(clean) end
end

-- Redacts the system prompt, the tools and all messages, in place; of a batch and the like all strings.
function redact.redact_request(body)
  if not body:has("messages") then return redact.redact_all(body) end
  redact_at(body, "system")
  redact_at(body, "tools")
  for i, m in ipairs(body:get("messages", {})) do
    redact.redact_content(body, "messages." .. i - 1 .. ".content", m.content)
  end
end

function test_texts_lose_their_secrets(t)
  t:eq(redact.redact("mail me@example.org the key sk-ant-0123456789abcdef"), "mail [email] the key [key]")
  t:eq(redact.redact("nothing here"), "nothing here")
end

function test_strings_of_json_keep_their_escapes(t)
  t:eq(redact.redact_json('{"a":"x\\nme@example.org","b":[1,"\\u006de@example.org"],"c":"\\u00e9"}'), '{"a":"x\\n[email]","b":[1,"[email]"],"c":"\\u00e9"}')
  t:eq(redact.redact_json('{"a":"b","c":"me@example.org and'), '{"a":"b","c":"[email] and')
end

return redact
