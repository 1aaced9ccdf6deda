-- want: refused at load: budgets.
big = {}
for i = 1, 1e9 do big[#big + 1] = {i} if #big > 1e5 then big = {big} end end
function filter() end
