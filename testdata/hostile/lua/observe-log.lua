-- want: budgets.
function observe(event)
  while true do log("x") end
end
