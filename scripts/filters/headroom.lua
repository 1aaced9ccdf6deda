-- Keeps the upstreams whose subscription windows still have room. When none has, all stay: a full account may yet answer.
--
-- config: windows          the windows to look at, default {"5h", "7d"}
--         max_utilization  how full a window may be, 0..1, default 0.9
plugin = { name = "headroom", version = "1.0.0", description = "upstreams whose 5h and 7d windows have room" }

local default_windows = { "5h", "7d" }

local function fullest(c, limit)
  local windows = config.windows
  if windows == nil or #windows == 0 then windows = default_windows end
  for _, window in ipairs(windows) do
    if c:utilization(window) >= limit then return window end
  end
end

function filter(ctx, principal, candidates)
  local limit = config.max_utilization or 0.9
  local kept, reasons = {}, {}
  for _, c in ipairs(candidates) do
    local full = fullest(c, limit)
    if full then
      reasons[c.id] = full .. " window is full"
    else
      kept[#kept + 1] = c
    end
  end
  if #kept == 0 then
    return { keep = candidates, reason = "no upstream has room" }
  end
  return { keep = kept, reason = "windows below " .. math.floor(limit * 100) .. "%", reasons = reasons }
end

function test_drops_a_full_upstream(t)
  local full, free = t:candidate("full", { quotas = { ["5h"] = 0.99 } }), t:candidate("free", { quotas = { ["5h"] = 0.2, ["7d"] = 0.5 } })
  local out = filter(t:ctx(), t:principal(), { full, free })
  t:eq(out.keep, { free })
  t:eq(out.reasons, { [full.id] = "5h window is full" })
end

function test_looks_at_the_week_as_well(t)
  local a, b = t:candidate("a", { quotas = { ["7d"] = 0.95 } }), t:candidate("b")
  t:eq(filter(t:ctx(), t:principal(), { a, b }).keep, { b })
end

function test_keeps_all_when_none_has_room(t)
  local full = t:candidate("full", { quotas = { ["5h"] = 0.99 } })
  t:eq(#filter(t:ctx(), t:principal(), { full }).keep, 1)
end
