-- want: budgets.
function filter(ctx, principal, candidates)
  local t, i = {}, 0
  while true do i = i + 1 t["key" .. i] = i end
  return candidates
end
