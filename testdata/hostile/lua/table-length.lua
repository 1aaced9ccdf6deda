-- want: budgets.
function filter(ctx, principal, candidates)
  local t = {}
  t[131071] = 1
  t[131071] = nil
  while true do local n = #t end
  return candidates
end
