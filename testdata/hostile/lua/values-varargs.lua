-- want: budgets.
function filter(ctx, principal, candidates)
  local function f(...) return f(1, 2, 3, 4, 5, 6, 7, 8, ...) end
  while true do pcall(f) end
  return candidates
end
