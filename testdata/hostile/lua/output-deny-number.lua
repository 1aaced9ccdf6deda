-- want: deny
function filter(ctx, principal, candidates)
  return { deny = 7 }
end
