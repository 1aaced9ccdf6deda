-- Gives a stable share of the sessions to the upstreams whose label says true, and the rest to the others. Requests without a session
-- share by principal. When one side is empty, the other serves.
--
-- config: label    marks a canary, default "canary"
--         percent  0..100, default 5
plugin = { name = "canary", version = "1.0.0", description = "a stable share of sessions to labelled upstreams" }
test_config = { percent = 50 }

function filter(ctx, principal, candidates)
  local label, unit = config.label, ctx.session_id
  if not label or label == "" then label = "canary" end
  if unit == "" then unit = principal.id end
  local chosen = hash("canary:" .. unit) % 10000 < (config.percent or 5) * 100
  local side = {}
  for _, c in ipairs(candidates) do
    if (c.labels[label] == true) == chosen then side[#side + 1] = c end
  end
  return { keep = #side > 0 and side or candidates, reason = chosen and "canary" or "stable" }
end

function test_a_session_keeps_its_side(t)
  local new, old = t:candidate("new", { labels = { canary = true } }), t:candidate("old", { labels = {} })
  local first = filter(t:ctx({ session_id = "s1" }), t:principal(), { new, old }).keep
  t:eq(filter(t:ctx({ session_id = "s1", request_id = "other" }), t:principal(), { new, old }).keep, first)
end

function test_about_the_share_goes_to_the_canary(t)
  local new, old = t:candidate("new", { labels = { canary = true } }), t:candidate("old", { labels = {} })
  local n = 0
  for i = 0, 399 do
    if filter(t:ctx({ session_id = "s" .. i }), t:principal(), { new, old }).reason == "canary" then n = n + 1 end
  end
  t:ok(n > 150 and n < 250)
end

function test_an_empty_side_leaves_the_other(t)
  local old = t:candidate("old", { labels = {} })
  for i = 0, 19 do
    t:eq(filter(t:ctx({ session_id = "s" .. i }), t:principal(), { old }).keep, { old })
  end
end
