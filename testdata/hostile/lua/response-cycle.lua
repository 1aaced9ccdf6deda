-- want: transform_response
function transform_response(ctx, response)
  local a = {}
  a[1] = a
  return { body = a }
end
