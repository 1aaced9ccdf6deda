-- want: budgets.
function filter(ctx, principal, candidates)
  while true do pcall(function() while true do end end) end
  return candidates
end
