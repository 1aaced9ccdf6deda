-- want: attempt to
function filter(ctx, principal, candidates)
  debug.getregistry()
  return candidates
end
