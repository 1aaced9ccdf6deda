-- want: budgets.
function filter(ctx, principal, candidates)
  local s = ("x"):rep(4e6)
  while true do pcall(error, s) end
  return candidates
end
