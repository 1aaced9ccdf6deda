-- want: budgets.
function transform_response(ctx, response)
  local kept = {}
  for i = 1, 100000 do kept[i] = string.rep("x", 100000) .. i end
end
