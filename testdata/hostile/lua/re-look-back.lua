-- want: than budgets.
function filter(ctx, principal, candidates)
  re.find_all("a.*b|a|\\bz", ("a"):rep(65000))
  return candidates
end
