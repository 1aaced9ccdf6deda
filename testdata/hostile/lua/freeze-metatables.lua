-- want: refused at load: budgets.
local mt = {}
for i = 1, 1e4 do mt[i] = i end
all = {}
for i = 1, 1e5 do all[i] = setmetatable({}, mt) end
