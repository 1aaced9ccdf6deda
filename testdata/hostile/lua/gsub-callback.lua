-- want: budgets.
function filter(ctx, principal, candidates)
  ("x"):rep(1e6):gsub("x", function() while true do end end)
  return candidates
end
