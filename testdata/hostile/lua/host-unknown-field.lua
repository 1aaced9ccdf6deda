-- want: candidate has no field "heathy"
function filter(ctx, principal, candidates)
  local x = candidates[1].heathy
  return candidates
end
