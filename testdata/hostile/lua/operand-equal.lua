-- want: budgets.
function filter(ctx, principal, candidates)
  local a, b = ("x"):rep(8e6), ("x"):rep(8e6)
  while true do local x = a == b end
  return candidates
end
