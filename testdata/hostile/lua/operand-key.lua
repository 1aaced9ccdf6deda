-- want: a key has 2000000 bytes
function filter(ctx, principal, candidates)
  local t, k = {}, ("x"):rep(2e6)
  local x = t[k]
  return candidates
end
