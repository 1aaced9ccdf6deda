-- want: refused at load: the files load each other
local a = require("lib.cycle_a")

function filter(ctx, principal, candidates)
  return candidates
end
