-- want: stack overflow
function filter(ctx, principal, candidates)
  local t = setmetatable({}, {__call = function(self) return 1 + self() end})
  t()
  return candidates
end
