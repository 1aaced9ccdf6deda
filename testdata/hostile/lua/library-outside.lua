-- want: refused at load: require
require("../../../etc/passwd")

function filter(ctx, principal, candidates)
  return candidates
end
