-- want: refused at load: budgets.
big = {}
for i = 1, 1e9 do big[i] = {i} end
function filter() end
