-- want: served
local a, b = tostring({}), tostring({})

function filter(ctx, principal, candidates)
  local one, two = tostring({}), tostring(function() end)
  if a ~= b and #a ~= #b then error("two loads are told apart") end
  return candidates
end
