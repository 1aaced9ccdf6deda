-- want: budgets.
function transform_event(ctx, event, state)
  while true do end
end
