-- want: stack overflow
function filter(ctx, principal, candidates)
  local t = setmetatable({}, {__index = function(t, k) return t[k .. "x"] end})
  local x = t.a
  return candidates
end
