-- want: stack overflow
function filter(ctx, principal, candidates)
  local function f() return (("x"):gsub("x", f)) end
  f()
  return candidates
end
