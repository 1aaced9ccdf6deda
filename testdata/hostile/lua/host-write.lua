-- want: read-only
function filter(ctx, principal, candidates)
  candidates[1].name = "x"
  return candidates
end
