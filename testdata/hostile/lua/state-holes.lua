-- want: state
function transform_event(ctx, event, state)
  local wide = {}
  wide[131070] = 1
  for i = 1, 5000 do state[i] = wide end
end
