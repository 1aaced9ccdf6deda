-- want: more than
function transform_response(ctx, response)
  local values, headers = {}, {}
  for i = 1, 100000 do values[i] = "v" end
  for i = 1, 1000 do headers["x-" .. i] = values end
  return { status = 200, headers = headers }
end
