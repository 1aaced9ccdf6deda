-- want: budgets.
function normalize_error(status, body, headers)
  local m = {}
  for i = 1, 1000 do m[i] = string.rep("x", 1000000) .. i end
  return { body = { m = m } }
end
