-- want: filter returned
function filter(ctx, principal, candidates)
  return { kept = candidates }
end
