-- want: refused at load: budgets.
while true do end
