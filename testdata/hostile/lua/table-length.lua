-- want: budgets.
function filter(ctx, principal, candidates)
  local t = {}
  t[1048575] = 1
  t[1048575] = nil
  while true do local n = #t end
  return candidates
end
