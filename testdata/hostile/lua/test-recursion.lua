-- want: refused at load: stack overflow
function filter(ctx, principal, candidates)
  return candidates
end

function test_it(t)
  local function f() return 1 + f() end
  f()
end
