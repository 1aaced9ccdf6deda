-- want: nested deeper than 256
function filter(ctx, principal, candidates)
  local t = {}
  t.t = t
  json.encode(t)
  return candidates
end
