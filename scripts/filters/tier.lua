-- Matches an upstream's label against the principal's claim of the same name. An upstream without the label serves everybody; a labelled
-- one serves those who claim its value.
--
-- config: name  the label and the claim, default "tier"; the claim may be one value or a list
plugin = { name = "tier", version = "1.0.0", description = "upstreams whose label the principal claims" }

local function claims(claim, label)
  local text = json.encode(claim) -- values of any kind compare as JSON
  if text:sub(1, 1) ~= "[" then return text == label end
  for _, one in ipairs(claim) do
    if json.encode(one) == label then return true end
  end
  return false
end

function drop(ctx, principal, candidate)
  local name = config.name
  if not name or name == "" then name = "tier" end
  local label = candidate.labels[name]
  if label ~= nil and not claims(principal.claims[name], json.encode(label)) then
    return name .. " " .. json.encode(label) .. " is not among the principal's"
  end
end

function test_a_label_wants_its_claim(t)
  local gold, plain = t:candidate("gold", { labels = { tier = "gold" } }), t:candidate("plain", { labels = {} })
  local silver = t:principal({ claims = { tier = "silver" } })
  t:eq(drop(t:ctx(), silver, gold), 'tier "gold" is not among the principal\'s')
  t:eq(drop(t:ctx(), silver, plain), nil)
  t:eq(drop(t:ctx(), t:principal({ claims = { tier = "gold" } }), gold), nil)
end

function test_a_claim_may_be_a_list(t)
  local gold = t:candidate("gold", { labels = { tier = "gold" } })
  t:eq(drop(t:ctx(), t:principal({ claims = { tier = { "gold", "silver" } } }), gold), nil)
  t:ok(drop(t:ctx(), t:principal({ claims = {} }), gold))
end
