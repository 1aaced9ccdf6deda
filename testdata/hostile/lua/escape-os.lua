-- want: attempt to
function filter(ctx, principal, candidates)
  os.exit(7)
  return candidates
end
