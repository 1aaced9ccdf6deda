-- want: deeper than 256
function filter(ctx, principal, candidates)
  json.decode(("["):rep(1e5))
  return candidates
end
