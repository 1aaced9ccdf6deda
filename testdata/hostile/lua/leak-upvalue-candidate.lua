-- want: served
local last

function filter(ctx, principal, candidates)
  local ok = last and pcall(function() return last.name end)
  if ok then error("a candidate of another call answers: " .. last.name) end
  last = candidates[1]
  return candidates
end
