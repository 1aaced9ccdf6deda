-- want: refused at load: budgets.
for i = 1, 10000000 do _G[i + 200000] = true end
function filter(ctx, principal, candidates)
  return candidates
end
