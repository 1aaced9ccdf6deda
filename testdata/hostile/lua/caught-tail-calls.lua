-- want: budgets.
function filter(ctx, principal, candidates)
  local function f(n) if n == 0 then error("deep") end return f(n - 1) end
  while true do pcall(f, 1e5) end
  return candidates
end
