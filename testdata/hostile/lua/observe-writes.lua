-- want: read-only
function observe(event)
  event.kind = "x"
end
