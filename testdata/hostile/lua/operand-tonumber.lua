-- want: budgets.
function filter(ctx, principal, candidates)
  local s = (" "):rep(1e6) .. "1"
  while true do tonumber(s) end
  return candidates
end
