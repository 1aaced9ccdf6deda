-- want: budgets.
function filter(ctx, principal, candidates)
  for i = 1, 1e18 do end
  return candidates
end
