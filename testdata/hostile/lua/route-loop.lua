-- want: budgets.
function route(ctx, principal, candidates)
  while true do end
end
