-- want: CR, LF or NUL
function transform_response(ctx, response)
  return { headers = { ["x-a"] = "b\r\nset-cookie: c" } }
end
