-- want: budgets.
function filter(ctx, principal, candidates)
  local f = ("%%"):rep(4e6)
  while true do string.format(f) end
  return candidates
end
