-- want: budgets.
function transform_event(ctx, event, state)
  local all = {}
  for j = 1, 100 do
    local some = {}
    for i = 1, 10000 do some[i] = event.data end
    all[j] = some
  end
end
