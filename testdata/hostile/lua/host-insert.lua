-- want: read-only
function filter(ctx, principal, candidates)
  table.insert(candidates, candidates[1])
  return candidates
end
