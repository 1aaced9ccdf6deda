-- want: string is read-only
function filter(ctx, principal, candidates)
  string.upper = function() return principal.name end
  return candidates
end
