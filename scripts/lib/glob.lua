-- Globs over whole names: * stands for any run of characters, ? for one.
local glob = {}

local function to_re(pattern)
  local quoted = re.replace("[^A-Za-z0-9_*?/-]", pattern, "\\${0}")
  return "^(?s:" .. re.replace("\\?", re.replace("\\*", quoted, ".*"), ".") .. ")$"
end

function glob.glob(pattern, name)
  return re.test(to_re(pattern), name)
end

function glob.any_glob(patterns, name)
  for _, pattern in ipairs(patterns) do
    if glob.glob(pattern, name) then return true end
  end
  return false
end

function test_a_glob_covers_the_whole_name(t)
  t:ok(glob.glob("claude-*", "claude-opus-5"))
  t:ok(glob.glob("a.b?", "a.bc"))
  t:ok(not glob.glob("claude", "claude-opus-5"))
  t:ok(not glob.glob("a.b", "axb"))
end

function test_any_of_several(t)
  t:ok(glob.any_glob({ "x", "claude-*" }, "claude-opus-5"))
  t:ok(not glob.any_glob({}, "claude-opus-5"))
end

return glob
