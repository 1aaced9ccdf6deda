-- want: refused at load: more than 2000 globals
for i = 1, 100000 do _G["n" .. i] = 1 end

function filter(ctx, principal, candidates)
  return candidates
end
