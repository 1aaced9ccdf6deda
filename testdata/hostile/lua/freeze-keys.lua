-- want: refused at load: budgets.
keys = {}
for i = 1, 1e9 do keys["k" .. i] = {} end
