-- want: too many recursions in gettable
function filter(ctx, principal, candidates)
  local t = {}
  setmetatable(t, {__index = t})
  local x = t.a
  return candidates
end
