-- want: budgets.
function filter(ctx, principal, candidates)
  for i = 1, 1e6 do local t = {} t[131071] = i end
  return candidates
end
