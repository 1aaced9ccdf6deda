-- want: assignment to global "seen"
function filter(ctx, principal, candidates)
  _G.seen = principal.name
  return candidates
end
