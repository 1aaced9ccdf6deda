-- want: filter returned the number 42
function filter(ctx, principal, candidates)
  do return 42 end
  return candidates
end
