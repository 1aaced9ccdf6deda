-- want: attempt to index
function filter(ctx, principal, candidates)
  getmetatable("").__index.upper = nil
  return candidates
end
