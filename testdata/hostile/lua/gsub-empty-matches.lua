-- want: budgets.
function filter(ctx, principal, candidates)
  while true do ("x"):rep(1e6):gsub("", "") end
  return candidates
end
