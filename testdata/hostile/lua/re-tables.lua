-- want: classes
function filter(ctx, principal, candidates)
  re.test("[" .. ("\\pL"):rep(1300) .. "]", "x")
  return candidates
end
