-- want: refused at load: budgets.
function filter(ctx, principal, candidates)
  return candidates
end

function test_it(t)
  t:fails(function() while true do end end, "budgets")
end
