-- want: budgets.
function filter(ctx, principal, candidates)
  local t = {}
  t[1048575] = 1
  while true do next(t) end
  return candidates
end
