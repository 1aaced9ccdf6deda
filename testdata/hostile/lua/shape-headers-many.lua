-- want: header
function shape(ctx, upstream, principal, request)
  for i = 1, 100000 do request.headers:add("x-" .. i, string.rep("v", 1000)) end
end
