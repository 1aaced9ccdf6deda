-- Sends models to pools of upstreams by globs: the first pool that covers the asked model decides. A model that no pool covers may go
-- anywhere.
--
-- config: pools  a list of {models: [globs], upstreams: [globs over names]}
local globs = require("lib.glob")

plugin = { name = "model_pool", version = "1.0.0", description = "upstreams by the asked model" }
test_config = { pools = {
  { models = { "*haiku*" }, upstreams = { "small-*" } },
  { models = { "claude-*" }, upstreams = { "big", "spare" } },
} }

local function join(list)
  local out = {}
  for _, s in ipairs(list) do out[#out + 1] = s end
  return table.concat(out, ", ")
end

function filter(ctx, principal, candidates)
  for _, pool in ipairs(config.pools or {}) do
    if globs.any_glob(pool.models, ctx.model or "") then
      local kept, names = {}, {}
      for i, glob in ipairs(pool.upstreams) do names[i] = globs.to_re(glob) end
      for _, c in ipairs(candidates) do
        if globs.covered(names, c.name) then kept[#kept + 1] = c end
      end
      return { keep = kept, reason = "pool for " .. join(pool.models) }
    end
  end
  return { keep = candidates, reason = "no pool names the model" }
end

function test_the_first_pool_that_covers_the_model_decides(t)
  local small, big = t:candidate("small-1"), t:candidate("big")
  t:eq(filter(t:ctx({ model = "claude-haiku-4-5" }), t:principal(), { small, big }).keep, { small })
  t:eq(filter(t:ctx({ model = "claude-opus-5" }), t:principal(), { small, big }).keep, { big })
end

function test_a_model_of_no_pool_may_go_anywhere(t)
  local small, big = t:candidate("small-1"), t:candidate("big")
  t:eq(#filter(t:ctx({ model = "other" }), t:principal(), { small, big }).keep, 2)
end
