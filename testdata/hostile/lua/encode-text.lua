-- want: budgets.
function filter(ctx, principal, candidates)
  local s = ("\1"):rep(1000000)
  while true do local x = json.encode(s) end
  return candidates
end
