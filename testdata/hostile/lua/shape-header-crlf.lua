-- want: CR, LF or NUL
function shape(ctx, upstream, principal, request)
  request.headers:set("x-a", "b\r\nx-evil: 1")
end
