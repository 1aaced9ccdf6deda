-- want: longer than 16 MiB
function shape(ctx, upstream, principal, request)
  request.body:replace(string.rep("x", 33 * 1024 * 1024))
end
