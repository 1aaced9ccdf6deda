-- want: budgets.
function filter(ctx, principal, candidates)
  local t = {}
  t[131071] = 1
  while true do next(t) end
  return candidates
end
