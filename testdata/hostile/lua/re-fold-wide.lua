-- want: ranges beyond ASCII
function filter(ctx, principal, candidates)
  re.test("(?i)" .. ("[B-\\x{1e943}]"):rep(250), "x")
  return candidates
end
