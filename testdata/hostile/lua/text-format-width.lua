-- want: bad directive
function filter(ctx, principal, candidates)
  string.format("%99999999d", 1)
  return candidates
end
