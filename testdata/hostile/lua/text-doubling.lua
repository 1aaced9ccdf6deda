-- want: budgets.
function filter(ctx, principal, candidates)
  local s = "x"
  local kept = {}
  while true do s = #s < 4e6 and s .. s or s .. "" kept[#kept + 1] = s end
  return candidates
end
