-- want: json.encode
function filter(ctx, principal, candidates)
  json.encode({0 / 0})
  return candidates
end
