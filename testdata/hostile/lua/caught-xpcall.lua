-- want: budgets.
function filter(ctx, principal, candidates)
  while true do xpcall(function() while true do end end, function() while true do end end) end
  return candidates
end
