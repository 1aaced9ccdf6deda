-- want: stack overflow
function filter(ctx, principal, candidates)
  local function f() local ok, e = pcall(f) error(e, 0) end
  f()
  return candidates
end
