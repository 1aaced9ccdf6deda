-- want: leaves upstream
function shape(ctx, upstream, principal, request)
  request.url = "http://169.254.169.254/latest/meta-data/"
end
