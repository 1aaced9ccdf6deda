-- want: normalize_error
function normalize_error(status, body, headers)
  local a = {}
  a.a = a
  return { body = a }
end
