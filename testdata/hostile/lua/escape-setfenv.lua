-- want: attempt to
function filter(ctx, principal, candidates)
  setfenv(0, {})
  return candidates
end
