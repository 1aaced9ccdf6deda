-- want: string.rep: the text is longer than 16 MiB
function filter(ctx, principal, candidates)
  ("x"):rep(8e9)
  return candidates
end
