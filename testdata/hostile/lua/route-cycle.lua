-- want: route returned
function route(ctx, principal, candidates)
  local a = {}
  a[1] = a
  return a
end
