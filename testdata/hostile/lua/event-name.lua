-- want: event
function transform_event(ctx, event, state)
  return { { name = "a\nevent: message_stop", data = "{}" } }
end
