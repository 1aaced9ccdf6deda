-- want: want at most
function transform_event(ctx, event, state)
  local name, out = string.rep("x", 16777216), {}
  for i = 1, 200 do out[i] = { name = name, data = "{}" } end
  return out
end
