-- want: budgets.
function transform_event(ctx, event, state)
  state.s = {}
  for i = 1, 1000000 do state.s[i] = string.rep("x", 1000) .. i end
end
