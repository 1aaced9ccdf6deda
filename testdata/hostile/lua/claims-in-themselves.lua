-- want: refused at load: too large
function filter(ctx, principal, candidates)
  return candidates
end

function test_claims(t)
  local list = {}
  for i = 1, 131070 do list[i] = list end
  t:principal{ claims = { a = list } }
end
