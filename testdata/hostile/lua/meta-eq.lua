-- want: stack overflow
function filter(ctx, principal, candidates)
  local mt = {}
  mt.__eq = function(a, b) return setmetatable({}, mt) == setmetatable({}, mt) end
  local x = setmetatable({}, mt) == setmetatable({}, mt)
  return candidates
end
