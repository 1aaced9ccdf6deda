-- want: assignment to global "seen"
function filter(ctx, principal, candidates)
  seen = principal.name
  return candidates
end
