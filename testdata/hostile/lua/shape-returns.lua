-- want: shape returned
function shape(ctx, upstream, principal, request)
  return { url = "http://evil.example" }
end
