-- want: refused at load: budgets.
function filter(ctx, principal, candidates)
  return candidates
end

function test_it(t)
  local t = {}
  while true do t = #t < 1e5 and t or { t } t[#t + 1] = {} end
end
