-- want: backslash
function shape(ctx, upstream, principal, request)
  request.url = upstream.base_url .. "\\@evil.example"
end
