-- want: attempt to
function filter(ctx, principal, candidates)
  loadstring("while true do end")()
  return candidates
end
