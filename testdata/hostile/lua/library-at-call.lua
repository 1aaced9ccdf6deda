-- want: budgets.
-- What compiling a file takes is the call's that asks for it: little of its memory is left.
function filter(ctx, principal, candidates)
  local kept = {}
  for i = 1, 4 do kept[i] = string.rep("a", 15 * 1024 * 1024) end
  local long = require("lib.long")
  return #kept == 4 and long and candidates
end
