-- want: unpack gives at most 8000 values
function filter(ctx, principal, candidates)
  unpack({}, 1, 1e8)
  return candidates
end
