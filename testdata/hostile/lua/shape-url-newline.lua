-- want: url
function shape(ctx, upstream, principal, request)
  request.url = upstream.base_url .. "/v1/messages\r\nx-evil: 1"
end
