-- want: budgets.
function filter(ctx, principal, candidates)
  local s = ("x"):rep(1e6)
  while true do print(s, s, s, s, s, s, s, s) end
  return candidates
end
