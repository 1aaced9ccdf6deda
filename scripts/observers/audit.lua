-- Writes one log line for each request that ended, and one for each error.
plugin = { name = "audit", version = "1.0.0", description = "one line a request" }

local function or_dash(s) return s ~= nil and s ~= "" and s or "-" end

local function describe(event)
  if event.kind == "request_finished" then
    return ("%s %d %s via %s in %d ms"):format(event.request_id, event.status, or_dash(event.model), or_dash(event.upstream), event.duration_ms)
  elseif event.kind == "error" then
    return ("%s %s in %s: %s"):format(event.request_id, or_dash(event.code), or_dash(event.source), or_dash(event.message))
  end
end

function observe(event)
  local line = describe(event)
  if line then log(line) end
end

function test_a_finished_request_is_one_line(t)
  local e = t:event("request_finished", { request_id = "r1", status = 200, model = "m", upstream = "u", duration_ms = 12 })
  t:eq(describe(e), "r1 200 m via u in 12 ms")
end

function test_an_error_is_one_line(t)
  local e = t:event("error", { request_id = "r1", code = "upstream_timeout", source = "relay", message = "it took too long" })
  t:eq(describe(e), "r1 upstream_timeout in relay: it took too long")
end

function test_other_events_are_silent(t)
  t:eq(describe(t:event("request_started")), nil)
end
