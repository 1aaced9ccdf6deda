-- want: budgets.
function filter(ctx, principal, candidates)
  local function f() return f() end
  f()
  return candidates
end
