-- want: budgets.
function filter(ctx, principal, candidates)
  while true do pcall(require, "lib.none") end
  return candidates
end
