-- The policy for HAProxy: key -> principal, model from the body, filter with reasons, pick, credential.
local principals = {
{{range .Principals}}  ["{{.Key}}"] = {name = "{{.Name}}", tier = "{{.Tier}}"},
{{end}}}
local candidates = {
{{range .Candidates}}  {name = "{{.Name}}", tier = "{{.Tier}}", family = "{{.Family}}", key = "upstream-key"},
{{end}}}

local function filter(principal, model)
  local keep, reasons = {}, {}
  for _, c in ipairs(candidates) do
    if c.tier ~= principal.tier then
      reasons[c.name] = "its tier is " .. c.tier
    elseif model:sub(1, #c.family) ~= c.family then
      reasons[c.name] = "it serves " .. c.family
    else
      keep[#keep + 1] = c
    end
  end
  return keep, reasons
end

core.register_action("policy", {"http-req"}, function(txn)
  local principal = principals[txn.sf:req_hdr("x-api-key")]
  if not principal then return end
  local model = txn.sf:req_body():match('"model"%s*:%s*"([^"]*)"')
  if not model then return end
  local chosen = filter(principal, model)[1]
  if not chosen then return end
  txn:set_var("txn.key", chosen.key)
  txn:set_var("txn.upstream", chosen.name)
end)
