-- want: budgets.
function filter(ctx, principal, candidates)
  ("a"):rep(1.6e7):find(".-b")
  return candidates
end
