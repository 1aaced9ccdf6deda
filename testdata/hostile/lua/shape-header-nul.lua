-- want: CR, LF or NUL
function shape(ctx, upstream, principal, request)
  request.headers:add("x-a", "b\0c")
end
