-- want: served
function filter(ctx, principal, candidates)
  json.replace("a", '"' .. ("\\"):rep(2 ^ 18) .. 'a" ' .. ("\\"):rep(2 ^ 18), "x")
  return candidates
end
