-- want: budgets.
function filter(ctx, principal, candidates)
  ("a"):rep(28):find(("a?"):rep(28) .. ("a"):rep(28))
  return candidates
end
