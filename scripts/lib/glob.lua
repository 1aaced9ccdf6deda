-- Globs over whole names: * stands for any run of characters, ? for one.
local glob = {}

function glob.to_re(pattern)
  local quoted = re.replace("[\\\\.+()|\\[\\]{}^$]", pattern, "\\${0}")
  return "^(?s:" .. re.replace("\\?", re.replace("\\*", quoted, ".*"), ".") .. ")$"
end

function glob.glob(pattern, name)
  return re.test(glob.to_re(pattern), name)
end

function glob.any_glob(patterns, name)
  local expressions = {}
  for i, pattern in ipairs(patterns) do expressions[i] = glob.to_re(pattern) end
  return glob.covered(expressions, name)
end

-- Tells whether any of several globs covers a name, as to_re made expressions of them: once for many names.
function glob.covered(expressions, name)
  for _, expression in ipairs(expressions) do
    if re.test(expression, name) then return true end
  end
  return false
end

function test_a_glob_covers_the_whole_name(t)
  t:ok(glob.glob("claude-*", "claude-opus-5"))
  t:ok(glob.glob("a.b?", "a.bc"))
  t:ok(not glob.glob("claude", "claude-opus-5"))
  t:ok(not glob.glob("a.b", "axb"))
  t:ok(glob.glob("modèle-*", "modèle-1"))
  t:ok(glob.glob("a b.+()|[]{}^$\\-*", "a b.+()|[]{}^$\\-x"))
  t:ok(not glob.glob("a+", "aa"))
end

function test_any_of_several(t)
  t:ok(glob.any_glob({ "x", "claude-*" }, "claude-opus-5"))
  t:ok(not glob.any_glob({}, "claude-opus-5"))
end

return glob
