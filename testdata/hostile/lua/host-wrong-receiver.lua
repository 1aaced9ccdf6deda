-- want: random is a method
function filter(ctx, principal, candidates)
  ctx.random(1)
  return candidates
end
