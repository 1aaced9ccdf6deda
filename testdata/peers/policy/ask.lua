-- What wrk sends: BODY, a file, as alice; PAUSE milliseconds lie between an answer and the next request of a connection.
local file = assert(io.open(os.getenv("BODY"), "rb"))
wrk.method = "POST"
wrk.body = file:read("*a")
wrk.headers["content-type"] = "application/json"
wrk.headers["anthropic-version"] = "2023-06-01"
wrk.headers["user-agent"] = "wrk"
wrk.headers["x-api-key"] = os.getenv("KEY")
file:close()
local pause = tonumber(os.getenv("PAUSE")) or 0
if pause > 0 then
  function delay() return pause end
end
