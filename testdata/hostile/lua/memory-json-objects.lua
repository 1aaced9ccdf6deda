-- want: budgets.
function filter(ctx, principal, candidates)
  json.decode("[" .. ('{"a":{}},'):rep(1e6) .. "1]")
  return candidates
end
