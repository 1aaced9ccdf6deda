-- Takes secrets and addresses out of texts: out of JSON, wherever they stand in it, and out of anything else.
-- config: patterns, the names of those that are used ([key, token, email]); all where it does not say.
local redact = {}
local replace = json.replace

-- Every pattern matches within one word, so that a stream need not hold back more than the word that is not over. A text that stands in all
-- of its matches makes a pattern cheap: without it nothing is searched. One key must begin a word, as it is likely within the base64 of an
-- image.
local patterns = {
  { "key", "sk-[A-Za-z0-9_-]{16,}", "[key]" },
  { "key", "AKIA[0-9A-Z]{16}", "[key]" },
  { "key", "(^|[^A-Za-z0-9])AIza[A-Za-z0-9_-]{35}", "${1}[key]" },
  { "key", "ghp_[A-Za-z0-9]{36,}", "[key]" },
  { "key", "ghs_[A-Za-z0-9]{36,}", "[key]" },
  { "key", "github_pat_[A-Za-z0-9_]{36,}", "[key]" },
  { "key", "xox[abprs]-[A-Za-z0-9-]{10,}", "[key]" },
  { "token", "eyJ[A-Za-z0-9_-]{8,}\\.[A-Za-z0-9_-]{8,}\\.[A-Za-z0-9_-]*", "[token]" },
  { "email", "[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\\.[A-Za-z]{2,}", "[email]" },
}

-- A text up to a byte that neither stands in a match nor is the backslash of an escape, and what follows: it may go on as a secret.
redact.WORDS = "^(.*[^A-Za-z0-9._%%+@\\-])(.*)$"

local function chosen()
  local known, names, wanted = {}, {}, {}
  local expressions, marks = json.array({}), json.array({})
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
    if wanted[p[1]] then
      expressions[#expressions + 1], marks[#marks + 1] = p[2], p[3]
    end
  end
  return expressions, marks
end

local expressions, marks = chosen()

-- A text without what the patterns find: in JSON in every string, keys as well; all other bytes stay.
local function clean(text) return replace(expressions, text, marks) end
redact.redact = clean

-- Whether a body is a file of bytes: in an image or an archive what looks like an address is a part of something else. What says that it is
-- text or JSON is none.
local function is_bytes(raw, kind)
  return string.find(raw, "\0", 1, true) and not re.test("(?i)^(text/|[^;]*json)", kind or "")
end

function redact.redact_body(body, headers)
  local raw = body:raw("")
  if is_bytes(raw, headers["content-type"]) then return end
  local without = clean(raw)
  if without ~= raw then body:replace(without) end
end

-- Redacts the values; a line whose name holds a secret goes.
function redact.redact_headers(headers)
  local lines, texts = {}, {}
  for name in pairs(headers) do
    local values = {}
    for i, value in ipairs(headers:all(name)) do values[i] = value end
    lines[#lines + 1] = { name = name, values = values }
    texts[#texts + 1] = name .. "\n" .. table.concat(values, "\n")
  end
  local text = table.concat(texts, "\n")
  if clean(text) == text then return end
  for _, line in ipairs(lines) do
    headers:remove(line.name)
    if clean(line.name) == line.name then
      for _, value in ipairs(line.values) do headers:add(line.name, clean(value)) end
    end
  end
end

-- A part of an address, with its escapes as redact knows them.
local function shown(text) return (string.gsub(text, "%%", "\\u00")) end

-- Redacts the query. The rest says what is asked: it is refused.
function redact.redact_url(request)
  local path, query = string.match(request.url, "^([^?]*)(.*)$")
  local asked = shown(request.method .. " " .. path)
  if clean(asked) ~= asked then error("the method or the path holds a key, a token or an address") end
  local without = clean(shown(query))
  if without ~= shown(query) then
    request.url = path .. string.gsub(string.gsub(string.gsub(without, "\\u00", "%%"), "%[", "%%5B"), "%]", "%%5D")
  end
end

function test_texts_lose_their_secrets(t)
  t:eq(clean("mail me@example.org the key sk-ant-0123456789abcdef"), "mail [email] the key [key]")
  t:eq(clean("key=AIza0123456789012345678901234567890abcd, aAIza0123456789012345678901234567890abcd"), "key=[key], aAIza0123456789012345678901234567890abcd")
  t:eq(clean("nothing here"), "nothing here")
end

function test_strings_of_json_keep_their_escapes(t)
  t:eq(clean('{"a":"x\\nme@example.org","b":[1,"\\u006de@example.org"],"c":"\\u00e9"}'), '{"a":"x\\n[email]","b":[1,"[email]"],"c":"\\u00e9"}')
  t:eq(clean('{"a":"b","c":"me@example.org and'), '{"a":"b","c":"[email] and')
  t:eq(clean('{"me@example.org":1.0,"a":"me@example.org", "a":2e3}'), '{"[email]":1.0,"a":"[email]", "a":2e3}')
end

return redact
