-- Keeps a conversation where its prompt cache is warm: the upstreams that are predicted to read some of it, or else the one upstream
-- that the session's id names by rendezvous hash, so that a session stays where it began while the pool stands.
--
-- config: sticky  false = without a prediction all stay, default true
plugin = { name = "cache_affinity", version = "1.0.0", description = "upstreams with a warm prompt cache" }

function filter(ctx, principal, candidates)
  local warm = {}
  for _, c in ipairs(candidates) do
    if c.cache > 0 then warm[#warm + 1] = c end
  end
  if #warm > 0 then
    return { keep = warm, reason = "prompt cache is warm" }
  end
  if #candidates == 0 or ctx.session_id == "" or config.sticky == false then
    return { keep = candidates, reason = "no prediction" }
  end
  local best = candidates[1]
  for _, c in ipairs(candidates) do
    if hash(ctx.session_id .. c.id) > hash(ctx.session_id .. best.id) then best = c end
  end
  return { keep = { best }, reason = "session stays" }
end

function test_a_warm_cache_wins(t)
  local cold, warm = t:candidate("cold"), t:candidate("warm", { cache = 1000 })
  t:eq(filter(t:ctx(), t:principal(), { cold, warm }).keep, { warm })
end

function test_a_session_stays_when_others_leave(t)
  local pool, rest = {}, {}
  for i, n in ipairs({ "a", "b", "c", "d" }) do pool[i] = t:candidate(n) end
  local ctx = t:ctx({ session_id = "s1" })
  local mine = filter(ctx, t:principal(), pool).keep[1]
  for _, c in ipairs(pool) do
    if c.id == mine.id or c.name == "a" or c.name == "d" then rest[#rest + 1] = c end
  end
  t:eq(filter(ctx, t:principal(), rest).keep, { mine })
end

function test_without_a_session_all_stay(t)
  local pool = { t:candidate("a"), t:candidate("b") }
  t:eq(#filter(t:ctx({ session_id = "" }), t:principal(), pool).keep, 2)
end
