-- want: stack overflow
function filter(ctx, principal, candidates)
  local function f() return 1 + f() end
  f()
  return candidates
end
