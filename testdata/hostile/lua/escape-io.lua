-- want: attempt to
function filter(ctx, principal, candidates)
  io.open("/etc/passwd")
  return candidates
end
