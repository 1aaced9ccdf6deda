-- want: served
local last

function filter(ctx, principal, candidates)
  local ok, got = false
  if last then ok, got = pcall(function() return last:raw() end) end
  if ok then error("the body of another call answers: " .. tostring(got)) end
  last = ctx.body
  return candidates
end
