-- The first script to edit: the demo asks it who should answer. Change the name, save, ask again.
local PREFERRED = "sim-a"

function filter(ctx, principal, candidates)
  local kept = {}
  for _, c in ipairs(candidates) do
    if c.name == PREFERRED then kept[#kept + 1] = c end
  end
  return { keep = #kept > 0 and kept or candidates, reason = "prefers " .. PREFERRED }
end

function test_the_preferred_one_is_kept(t)
  local other, preferred = t:candidate("other"), t:candidate(PREFERRED)
  t:eq(filter(t:ctx(), t:principal(), { other, preferred }).keep, { preferred })
end

function test_without_it_all_stay(t)
  local other = t:candidate("other")
  t:eq(filter(t:ctx(), t:principal(), { other }).keep, { other })
end
