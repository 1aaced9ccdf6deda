-- want: status
function normalize_error(status, body, headers)
  return { status = 70000, body = "x" }
end
