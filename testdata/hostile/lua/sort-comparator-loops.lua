-- want: budgets.
function filter(ctx, principal, candidates)
  table.sort({3, 2, 1}, function() while true do end end)
  return candidates
end
