-- Ids of calls. The API takes letters, digits, _ and - back; others make them of anything, such as functions.Read:0. What does not fit is
-- written with the number of each character that does not, such that no two become one and the server gets its own back.
local ids = {}

local PREFIX = "esc_"
local FIT = "^[a-zA-Z0-9_-]+$"
local ESCAPED = "^esc_(?:[a-zA-Z0-9-]|_[2-7][0-9A-F])+$"

function ids.fit(id)
  if re.test(FIT, id) and string.sub(id, 1, #PREFIX) ~= PREFIX then return id end
  if re.test("[^ -~]", id) then return "call_" .. hash(id) end -- no server makes such
  return PREFIX .. string.gsub(id, "[^a-zA-Z0-9-]", function(c) return string.format("_%X", string.byte(c)) end)
end

-- What fit was given.
function ids.unfit(id)
  if not re.test(ESCAPED, id) then return id end
  local plain = string.gsub(string.sub(id, #PREFIX + 1), "_(%x%x)", function(code) return string.char(tonumber(code, 16)) end)
  return plain
end

function test_ids_come_back(t)
  for _, id in ipairs({ "call_1", "functions.Read:0", "a.b", "a:b", "a_b", "esc_", "esc_a", " ", "._" }) do
    t:ok(re.test(FIT, ids.fit(id)))
    t:eq(ids.unfit(ids.fit(id)), id)
  end
  t:eq(ids.fit("functions.Read:0"), "esc_functions_2ERead_3A0")
  t:eq(ids.unfit("esc_x_zz"), "esc_x_zz")
  t:ok(re.test(FIT, ids.fit("\195\188")))
end

return ids
