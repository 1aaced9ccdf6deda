-- want: budgets.
function normalize_error(status, body, headers)
  while true do end
end
