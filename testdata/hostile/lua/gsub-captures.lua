-- want: budgets.
function filter(ctx, principal, candidates)
  local s = ("a"):rep(1e6)
  while true do pcall(s.gsub, s, "(a+)", ("%1"):rep(1000)) end
  return candidates
end
