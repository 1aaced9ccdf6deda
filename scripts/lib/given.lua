-- What a decoded value is, in words that both languages share. Whoever wrote it may have put anything anywhere.
local given = {}

local KINDS = { string = "text", number = "number", boolean = "bool" }

-- Whole numbers up to here are the same in both languages.
local EXACT = 9007199254740992

-- text, object, list, number, bool, or nothing for null and what is not there. A list is known by its mark, which decoded ones have.
function given.kind(v)
  local is = type(v)
  if is == "table" then return getmetatable(v) == "list" and "list" or "object" end
  if is == "userdata" and v ~= json.null then return "number" end -- an integer beyond 2^53
  return KINDS[is]
end

-- A text that is not empty, or nothing.
function given.text(v)
  if type(v) == "string" and v ~= "" then return v end
end

function given.object(v)
  if type(v) == "table" and getmetatable(v) ~= "list" then return v end
  return {}
end

function given.items(v)
  if type(v) == "table" and getmetatable(v) == "list" then return v end
  return {}
end

-- A number that counts something, without its fraction. What cannot be one is 0.
function given.count(v)
  return type(v) == "number" and v >= 0 and v <= EXACT and math.floor(v) or 0
end

-- A text as it is, nothing as an empty one, and all else as JSON.
function given.shown(v)
  if type(v) == "string" then return v end
  if v == nil or v == json.null then return "" end
  return json.encode(v)
end

-- each calls f with the values of a list, and writes down what it gives for each.
local function each(list, f)
  local out = {}
  for i, v in ipairs(json.decode(list)) do
    local what = f(v)
    out[i] = tostring(what)
  end
  return out
end

function test_what_values_are(t)
  t:eq(each('["", {}, [], 1, 1.5, true, null]', given.kind), { "text", "object", "list", "number", "number", "bool", "nil" })
  t:eq(each('["a", "", 1]', given.text), { "a", "nil", "nil" })
  t:eq(#given.items({}), 0)
  t:eq(next(given.object(json.array({}))), nil)
  t:eq(each('[7, 7.9, -1, "7", 9007199254740993, null]', given.count), { "7", "7", "0", "0", "0", "0" })
  t:eq(each('["a", null, 7, [1], {}]', given.shown), { "a", "", "7", "[1]", "{}" })
end

return given
