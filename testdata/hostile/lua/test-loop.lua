-- want: refused at load: budgets.
function filter(ctx, principal, candidates)
  return candidates
end

function test_it(t)
  while true do end
end
