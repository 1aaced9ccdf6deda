-- want: budgets.
function filter(ctx, principal, candidates)
  local s = ("a"):rep(1e5)
  while true do pcall(s.gsub, s, "a", s) end
  return candidates
end
