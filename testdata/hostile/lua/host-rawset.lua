-- want: table expected
function filter(ctx, principal, candidates)
  rawset(ctx, "model", "x")
  return candidates
end
