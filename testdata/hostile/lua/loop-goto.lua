-- want: budgets.
function filter(ctx, principal, candidates)
  ::top::
  goto top
  return candidates
end
