-- want: stack overflow
function filter(ctx, principal, candidates)
  local mt = {}
  mt.__lt = function(a, b) return b < a end
  local x = setmetatable({}, mt) < setmetatable({}, mt)
  return candidates
end
