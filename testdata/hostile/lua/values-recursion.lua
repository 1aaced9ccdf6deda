-- want: registry overflow
function filter(ctx, principal, candidates)
  local t = {}
  for i = 1, 8000 do t[i] = i end
  local function f(...) return 1 + f(...) end
  f(unpack(t))
  return candidates
end
