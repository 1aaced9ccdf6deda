-- want: more than
function filter(ctx, principal, candidates)
  local values, map = {}, {}
  values[131070] = "v"
  for i = 1, 2000 do map["k" .. i] = values end
  url.query(map)
  return candidates
end
