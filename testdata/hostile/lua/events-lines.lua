-- want: more than 2 MiB of data
-- Each line of an event takes seven bytes of the stream.
function transform_event(ctx, event, state)
  return { { name = "a", data = string.rep("\n", 400000) } }
end
