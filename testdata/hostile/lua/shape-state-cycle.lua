-- want: state
function shape(ctx, upstream, principal, request)
  request.state.s = request.state
end
