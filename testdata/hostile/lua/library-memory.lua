-- want: refused at load: budgets.
local a, b, c = require("lib.large_a"), require("lib.large_b"), require("lib.large_c")

function filter(ctx, principal, candidates)
  return candidates
end
