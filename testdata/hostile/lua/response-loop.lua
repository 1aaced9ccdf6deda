-- want: budgets.
function transform_response(ctx, response)
  while true do end
end
