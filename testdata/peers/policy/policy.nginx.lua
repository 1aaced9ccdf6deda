-- The policy for nginx: key -> principal, model from the body, filter with reasons, pick, credential.
require "resty.core"

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

function policy()
  local principal = principals[ngx.req.get_headers()["x-api-key"] or ""]
  if not principal then return ngx.exit(401) end
  ngx.req.read_body()
  local model = (ngx.req.get_body_data() or ""):match('"model"%s*:%s*"([^"]*)"')
  if not model then return ngx.exit(400) end
  local keep = filter(principal, model)
  local chosen = keep[1]
  if not chosen then return ngx.exit(503) end
  ngx.req.set_header("x-api-key", chosen.key)
  ngx.var.upstream = chosen.name
end
