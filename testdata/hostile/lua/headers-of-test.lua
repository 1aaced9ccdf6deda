-- want: refused at load: more than
function filter(ctx, principal, candidates)
  return candidates
end

function test_headers(t)
  local values, headers = {}, {}
  for i = 1, 100000 do values[i] = "v" end
  for i = 1, 300 do headers["x-" .. i] = values end
  t:ctx{ headers = headers }
end
