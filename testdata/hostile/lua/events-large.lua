-- want: more than 2 MiB of data
function transform_event(ctx, event, state)
  local out, data = {}, string.rep("x", 30000)
  for i = 1, 1000 do out[i] = { name = "x", data = data } end
  return out
end
