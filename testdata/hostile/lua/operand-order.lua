-- want: texts of 8000000 bytes are not ordered
function filter(ctx, principal, candidates)
  local a, b = ("x"):rep(8e6), ("x"):rep(8e6)
  local x = a < b
  return candidates
end
