-- want: twice
function filter(ctx, principal, candidates)
  do return {candidates[1], candidates[1]} end
  return candidates
end
