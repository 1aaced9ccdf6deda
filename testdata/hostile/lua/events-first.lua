-- want: served
-- The events that came first become sixty of 30 KB each while the head of the answer still waits for them.
function transform_event(ctx, event, state)
  local out, one = {}, { name = "x", data = string.rep("x", 30000) }
  for i = 1, 60 do out[i] = one end
  return out
end
