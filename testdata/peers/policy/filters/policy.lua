-- The policy for Sluice: what is no credential, which Sluice applies itself.
function filter(ctx, principal, candidates)
  local tier, model, keep, reasons = principal.claims.tier, ctx.model, {}, {}
  for _, c in ipairs(candidates) do
    local labels = c.labels
    if labels.tier ~= tier then
      reasons[c.id] = "its tier is " .. labels.tier
    elseif model:sub(1, #labels.family) ~= labels.family then
      reasons[c.id] = "it serves " .. labels.family
    else
      keep[#keep + 1] = c
    end
  end
  return { keep = keep, reasons = reasons }
end
