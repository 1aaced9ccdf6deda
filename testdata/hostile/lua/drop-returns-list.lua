-- want: drop returned
function drop(ctx, principal, candidate)
  return { candidate }
end
