-- want: stack overflow
function filter(ctx, principal, candidates)
  local mt = {}
  mt.__concat = function(a, b) return a .. b end
  local x = setmetatable({}, mt) .. "x"
  return candidates
end
