-- want: budgets.
function filter(ctx, principal, candidates)
  local l = {1}
  for i = 1, 40 do l = {l, l} end
  json.encode(l)
  return candidates
end
