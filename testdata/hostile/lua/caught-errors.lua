-- want: budgets.
function filter(ctx, principal, candidates)
  while true do pcall(error, {}) end
  return candidates
end
