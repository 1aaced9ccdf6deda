-- want: table.concat: the text is longer than 16 MiB
function filter(ctx, principal, candidates)
  local t, s = {}, ("x"):rep(1e6)
  for i = 1, 5000 do t[i] = s end
  table.concat(t)
  return candidates
end
