-- Refuses requests outside the hours of work, with a text that the client sees. Principals with a claim may work at any time.
--
-- config: days        1 = Monday … 7 = Sunday, default {1, 2, 3, 4, 5}
--         from, to    hours, 0..24, default 8 and 18
--         utc_offset  hours east of UTC, default 0
--         exempt      the claim that lifts the rule where it is true, default "any_time"
--         text        what the client is told
plugin = { name = "business_hours", version = "1.0.0", description = "no requests outside the hours of work" }

local HOUR = 3600 * 1000
local working_days = { 1, 2, 3, 4, 5 }

local function contains(list, value)
  for _, one in ipairs(list) do
    if one == value then return true end
  end
  return false
end

local function open(local_ms)
  local hours = math.floor(local_ms / HOUR)
  local day = (math.floor(hours / 24) + 3) % 7 + 1 -- 1 January 1970 was a Thursday
  local hour = hours % 24
  return contains(config.days or working_days, day) and (config.from or 8) <= hour and hour < (config.to or 18)
end

-- An empty text is as good as none.
local function text(value, default)
  if value == nil or value == "" then return default end
  return value
end

function filter(ctx, principal, candidates)
  if principal.claims[text(config.exempt, "any_time")] == true or open(ctx.now_ms + (config.utc_offset or 0) * HOUR) then
    return candidates
  end
  return { deny = text(config.text, "closed: requests are served on working days between 8 and 18 o'clock UTC") }
end

local MONDAY = 4 * 24 * HOUR

function test_working_hours_are_open(t)
  local c = { t:candidate("a") }
  t:eq(filter(t:ctx({ now_ms = MONDAY + 8 * HOUR }), t:principal(), c), c)
  t:eq(filter(t:ctx({ now_ms = MONDAY + 18 * HOUR - 1 }), t:principal(), c), c)
end

function test_nights_and_weekends_are_closed(t)
  local c = { t:candidate("a") }
  for _, ms in ipairs({ MONDAY + 8 * HOUR - 1, MONDAY + 18 * HOUR, MONDAY - 12 * HOUR }) do
    t:ok(filter(t:ctx({ now_ms = ms }), t:principal(), c).deny)
  end
end

function test_a_claim_lifts_the_rule(t)
  local c = { t:candidate("a") }
  t:eq(filter(t:ctx({ now_ms = MONDAY }), t:principal({ claims = { any_time = true } }), c), c)
end
