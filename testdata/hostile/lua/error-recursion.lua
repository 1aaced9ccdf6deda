-- want: stack overflow
function normalize_error(status, body, headers)
  return 1 + normalize_error(status, body, headers)
end
