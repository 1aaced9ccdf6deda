-- want: budgets.
function filter(ctx, principal, candidates)
  ("("):rep(1e6):find("%b()x")
  return candidates
end
