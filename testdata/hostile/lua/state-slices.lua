-- want: served
function transform_event(ctx, event, state)
  for i = 1, 3 do state[#state + 1] = string.rep("x", 16777216):sub(1, 1) end
end
