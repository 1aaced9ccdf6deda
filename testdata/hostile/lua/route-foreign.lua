-- want: want a candidate of this request
function route(ctx, principal, candidates)
  return "00000000-0000-0000-0000-000000000000"
end
