-- want: the pattern has 1000000 bytes
function filter(ctx, principal, candidates)
  ("a"):rep(1e6):find("[" .. ("b"):rep(999998) .. "]")
  return candidates
end
