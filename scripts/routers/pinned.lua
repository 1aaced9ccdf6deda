-- Sends each principal to the upstream that it is pinned to, if the filters kept it; otherwise to the first that they kept.
--
-- config: pins  principal name -> upstream name
plugin = { name = "pinned", version = "1.0.0", description = "principals pinned to upstreams" }
test_config = { pins = { alice = "b" } }

function route(ctx, principal, candidates)
  local pins = config.pins or {}
  for _, c in ipairs(candidates) do
    if c.name == pins[principal.name] then return c end
  end
  return candidates[1]
end

function test_a_pin_wins(t)
  local a, b = t:candidate("a"), t:candidate("b")
  t:eq(route(t:ctx(), t:principal({ name = "alice" }), { a, b }), b)
  t:eq(route(t:ctx(), t:principal({ name = "bob" }), { a, b }), a)
  t:eq(route(t:ctx(), t:principal({ name = "alice" }), { a }), a)
end
