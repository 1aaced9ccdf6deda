-- want: budgets.
function drop(ctx, principal, candidate)
  while true do end
end
