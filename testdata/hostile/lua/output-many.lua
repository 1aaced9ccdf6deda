-- want: filter returned
function filter(ctx, principal, candidates)
  local t = {}
  for i = 1, 1e4 do t[i] = i end
  do return {keep = t} end
  return candidates
end
