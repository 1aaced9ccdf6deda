-- want: budgets.
function filter(ctx, principal, candidates)
  while true do end
  return candidates
end
