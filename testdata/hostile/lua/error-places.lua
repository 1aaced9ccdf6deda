-- want: error-places
function filter(ctx, principal, candidates)
  error(("error-places.lua:1: "):rep(300000), 0)
end
