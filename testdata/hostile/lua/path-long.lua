-- want: a path of
function filter(ctx, principal, candidates)
  local path = string.rep("a.a", 5592405)
  for i = 1, 20 do ctx.body:get(path) end
  return candidates
end
