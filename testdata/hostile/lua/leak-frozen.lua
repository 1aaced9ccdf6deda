-- want: read-only
seen = {}
function filter(ctx, principal, candidates)
  seen.who = principal.name
  return candidates
end
