-- want: budgets.
function filter(ctx, principal, candidates)
  local t = {}
  while true do t = #t < 1e5 and t or { t } t[#t + 1] = function() return t end end
  return candidates
end
