-- want: is no number
function filter(ctx, principal, candidates)
  local x = ("1"):rep(1e6) + 1
  return candidates
end
