-- want: budgets.
function filter(ctx, principal, candidates)
  local s = ("x"):rep(1e6)
  while true do s:upper() end
  return candidates
end
