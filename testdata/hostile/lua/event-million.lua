-- want: events
function transform_event(ctx, event, state)
  local out = {}
  for i = 1, 100000 do out[i] = event end
  return out
end
