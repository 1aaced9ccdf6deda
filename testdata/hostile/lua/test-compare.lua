-- want: refused at load: budgets.
function filter(ctx, principal, candidates)
  return candidates
end

function test_it(t)
  local l = {1}
  for i = 1, 40 do l = {l, l} end
  while true do t:ok(json.encode(l)) end
end
