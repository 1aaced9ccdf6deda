-- want: than budgets.
function filter(ctx, principal, candidates)
  re.find_all("(?:a?){900}(?:a?){900}(?:a?){900}[bc]|a", ("a"):rep(1000))
  return candidates
end
