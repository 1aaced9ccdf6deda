-- want: budgets.
function filter(ctx, principal, candidates)
  json.decode("[" .. ("[],"):rep(4e6) .. "1]")
  return candidates
end
