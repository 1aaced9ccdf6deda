-- want: event
function transform_event(ctx, event, state)
  local a = {}
  a.a = a
  return { { name = "a", data = a } }
end
