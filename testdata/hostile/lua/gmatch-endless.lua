-- want: budgets.
function filter(ctx, principal, candidates)
  while true do for w in ("x "):rep(1e6):gmatch("%w") do end end
  return candidates
end
