-- want: string.byte gives at most 8000 values
function filter(ctx, principal, candidates)
  string.byte(("x"):rep(1e7), 1, 1e7)
  return candidates
end
