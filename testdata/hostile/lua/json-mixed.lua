-- want: positions and other keys
function filter(ctx, principal, candidates)
  json.encode({1, 2, x = 3})
  return candidates
end
