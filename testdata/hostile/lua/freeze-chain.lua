-- want: refused at load: budgets.
chain = {}
local t = chain
while true do t.next = {} t = t.next end
