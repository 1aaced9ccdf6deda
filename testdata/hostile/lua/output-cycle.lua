-- want: filter returned
function filter(ctx, principal, candidates)
  local t = {}
  t[1] = t
  do return t end
  return candidates
end
