-- want: served
local big = {}
local text = string.rep("a", 4 * 1024 * 1024)
for i = 1, 2400 do big[i] = text end

function filter(ctx, principal, candidates)
  return #big > 0 and candidates or {}
end
