-- want: transform_response returned
function transform_response(ctx, response)
  return 42
end
