-- want: filter returned
function filter(ctx, principal, candidates)
  do return {"no-such-upstream"} end
  return candidates
end
