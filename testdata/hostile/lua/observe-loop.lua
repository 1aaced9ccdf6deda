-- want: budgets.
function observe(event)
  while true do end
end
