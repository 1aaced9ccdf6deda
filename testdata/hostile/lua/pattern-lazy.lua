-- want: budgets.
function filter(ctx, principal, candidates)
  ("a"):rep(4000):find((".-"):rep(6) .. "b")
  return candidates
end
