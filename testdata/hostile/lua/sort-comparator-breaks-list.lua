-- want: budgets.
function filter(ctx, principal, candidates)
  local t = {}
  for i = 1, 1000 do t[i] = i end
  while true do table.sort(t, function(a, b) for i = 1, 10 do t[i] = nil t[i] = i end return a > b end) end
  return candidates
end
