-- want: refused at load: want the text of a uuid
function filter(ctx, principal, candidates)
  return candidates
end

function test_id(t)
  t:candidate("a", { id = string.rep("\0", 16777216) })
end
