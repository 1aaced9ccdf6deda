-- want: served
function transform_event(ctx, event, state)
  for i = 1, 2 do state[#state + 1] = string.rep("x", 4194304):sub(1, 1) end
end
