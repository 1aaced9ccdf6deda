-- want: budgets.
function shape(ctx, upstream, principal, request)
  local i = 0
  while true do
    i = i + 1
    request.body:set("a" .. i, i)
  end
end
