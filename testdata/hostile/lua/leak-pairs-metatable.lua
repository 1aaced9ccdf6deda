-- want: served
function filter(ctx, principal, candidates)
  local m = getmetatable(ctx) or getmetatable("")
  if type(m) == "table" then m.__index = nil end
  return candidates
end
