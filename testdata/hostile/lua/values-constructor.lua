-- want: budgets.
function filter(ctx, principal, candidates)
  local function f(...) local t = {...} return f(t, ...) end
  while true do pcall(f) end
  return candidates
end
