-- want: stack overflow
function filter(ctx, principal, candidates)
  local t = {}
  setmetatable(t, {__tostring = function() return tostring(t) end})
  tostring(t)
  return candidates
end
