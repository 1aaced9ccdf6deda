package starlark_test

import (
	"strings"
	"testing"

	"sluice/engine"
	"sluice/runtimes/starlark"
)

// outcome is what a body of a function makes of nothing, as text: what it returns, or its error with its place and stack.
func outcome(t *testing.T, rt *starlark.Runtime, body string) string {
	t.Helper()
	src := "def g(*args, **kw):\n    return (args, kw)\ndef run(ctx, principal, candidates):\n    " + strings.ReplaceAll(body, "; ", "\n    ") +
		"\ndef filter(ctx, principal, candidates):\n    return {\"keep\": candidates, \"reason\": repr(run(ctx, principal, candidates))}\n"
	ups := upstreams(2)
	f, err := rt.InstantiateFilter(manifest(files{"s.star": src}, ups))
	var out engine.FilterOutput
	if err == nil {
		out, err = f.Filter(request(), principal(), candidates(ups))
	}
	if err == nil {
		return out.Reason
	}
	e := scriptError(t, err)
	return e.Error() + " | " + strings.Join(e.Stack, " | ")
}

// TestTheGuardsChangeNoMeaning: what scripts do with the guards they do without them, down to the text, the place and the stack of an error.
func TestTheGuardsChangeNoMeaning(t *testing.T) {
	t.Parallel()
	guarded, plain := starlark.New(), starlark.NewUnguarded()
	for body := range strings.SplitSeq(strings.TrimSpace(meanings), "\n") {
		if got, want := outcome(t, guarded, body), outcome(t, plain, body); got != want {
			t.Errorf("%s:\n with guards %s\n without     %s", body, got, want)
		}
	}
}

const meanings = `
return [type(v) for v in [None, True, 1, 1.5, "", b"", [], {}, (), len, type, ctx, candidates, json, range(2)]]
return [len(v) for v in ["ab", b"abc", [1], {}, (), candidates, range(4)]]
x = 5; return len(x)
x = None; return 1 + len(x)
return len(ctx)
return type(1, 2)
return type()
return len(x = [1])
return [len(*[[1]]), len(**{"x": [1]})]
return type(type(1)) + type(len("a"))
type = 3; return [type, len("a")]
len = lambda v: 7; return len("a")
return [[len for len in [1, 2]], type(3)]
return dict(type = type(1), len = len("ab"))
return sorted(["ccc", "a", "bb"], key = len)
return sorted([1, "a", None, 2.5, (), 3])
return sorted(["a", 1, None], key = lambda v: v, reverse = True)
return sorted([len, ctx, 1, "x", {}] * 20)
return max([1, "a", None])
x = []; return x.update
x = {}; return x.format()
x = {}; return x.lower
x = "a"; return x.item()
x = "a"; return x.items()
x = "a"; return x.append(1)
x = [1]; return x.union([2])
x = [1]; return x.add(2)
x = set([1]); return x.append(2)
x = set([1]); return x.update_
return ctx.items
return json.format
return len.upper
return None.upper
x = 1; return x.pop()
x = "ab" * 40000; y = "c" * 70000; z = x + y; x += y; return [x == z, len(z), z[79998:80002], z[-1]]
x = "abc"; n = 50000; return [len(x * n), (n * x)[65530:65540], (x * n)[-4:], x * 0, ("" + "") * n, (x * n) == (x * 25000) * 2]
x = ("é"[:1] + "ab é ǆß ﬃ x1y İ" + "é"[1:]) * 2000; return [hash(y) for y in [x.upper(), x.lower(), x.title(), x.capitalize()]]
x = "ß" + "aB C" * 4000; return [hash(y) for y in [x.upper(), x.lower(), x.title(), x.capitalize()]]
x = "é" * 9000; return x.upper(1)
x = "é" * 200000 + "m" + "éà" * 90000; return [hash(y) for y in [x.strip("é"), x.strip("éà"), x.lstrip("é"), x.rstrip("à"), x.rstrip("àé"), x.strip("mé"), x.strip("éàm"), x.strip("")]]
x = " \t\n\u2003" * 60000 + "a" + "\u00a0 " * 99000; return [hash(y) for y in [x.strip(), x.lstrip(), x.rstrip(), x.strip(""), x.strip(" ")]]
x = ("é"[1:] * 5 + "é"[:1] * 3 + "é") * 40000; return [hash(y) for y in [x.strip("é"), x.strip("\ufffd"), x.strip("\ufffdé"), x.lstrip("\ufffd"), x.rstrip("é\ufffd")]]
x = "ab" * 200000; return [x.strip(1)]
x = "ab" * 200000; return [x.strip("a", "b")]
x = "aab é" * 60000; return [hash(y) for y in [x.replace("a", "bc"), x.replace("aa", ""), x.replace("x", "y"), x.replace("b é", "é" * 9, 70), x.replace("a", "b", 0), x.replace("a", "b", -7), x.replace("é"[1:], "")]]
x = ("é" + "é"[:1] + "a") * 70000; return [hash(y) for y in [x.replace("", "-"), x.replace("", "-", 3), x.replace("", ""), x.replace("é"[:1], "")]] + [x.count(""), x.count("é"), x.count("a")]
x = "a" * 300000; return [x.count("aa"), x.count("a", 5), x.count("aaa", 5, 300), x.count("b"), x.count("")]
x = "ab" * 200000; return x.replace("a")
x = "ab" * 200000; return x.replace("a", 1)
x = "ab" * 200000; return x.replace("a", "b", None)
x = "ab" * 200000; return x.count(1)
x = ["a" * 100000, "b" * 100000, "", "c" * 100000]; return [hash(y) for y in ["-".join(x), "".join(tuple(x)), "é".join({k: 1 for k in x}), "".join(set(x)), ("x" * 150000).join(["a", "b", "c"])]]
x = ["a" * 100000, "b" * 200000, 1]; return "-".join(x)
x = "ab" * 200000; return x.join(["a", "b"], 1)
x = "abcdefg" * 50000; return [hash(y) for y in [x[::-1], x[::3], x[9:-9:7], x[-9:9:-7], x[5:2:1], x[2:5:-1], x[::400000], x[400000::-2]]]
x = "a" * 300000; return [hash(y) for y in ["%s-%s" % (x, x), "%d%s%%" % (7, x), (x + "%d") % 5, (x + "%%") % (), "%s" % x, "%r" % "a"]]
x = "a" * 300000; return "%s %d" % (x, x)
x = "a" * 300000; return "%s %r %s" % (x, 1)
x = "a" * 300000; return (x + "%s")  % (1, 2)
return [list(), tuple(), list("é".codepoints()), tuple({1: 2}), list((1, 2)), tuple(range(3)), list(candidates)]
return list(1)
return tuple([1], 2)
return list(x = [1])
return tuple(None)
x = [i for i in range(3000)]; y = [hash(f(v)) for f in [str, repr] for v in [x, tuple(x), {i: str(i) for i in x}, set(x), (x,), [(x,), [], {}, ()], [1 << 900] * 40, [1.5, None, True, b"\xff"] * 900, [len, x.append, g] * 900]]; return y
x = ["é\"\\\n\x01\x7f\U0001f600" + "é"[1:] + "é"[:1]] * 999; return [hash(f(v)) for f in [str, repr] for v in [x, "".join(x), bytes("".join(x)), (x, bytes("".join(x)))]]
x = [1] * 5000; x.append(x); x.append({"a": x, "b": [x]}); return [hash(repr(x)), hash(str({"k": x})), hash(repr((x, x)))]
x = {"k": "v" * 9000}; x["x"] = x; x["l"] = [x, (x,)]; return [hash(repr(x)), hash("%s" % [x]), hash("%s" % (x,)), hash("{}".format(x))]
x = "é" * 5000; return [hash(y) for y in ["%s|%r|%d|%i|%x|%X|%o|%e|%f|%g|%E|%F|%G|%c|%c|%%" % (x, x, 17, True, 255, 255, 8, 1.5, 2, 1e300, 1.5, 2.5, 0.1, 65, "é"), "%(a)s-%(b)r-%%-%(a)s" % {"a": x, "b": [x]}, "%s" % ([x],), "%r" % x, "%s" % {"a": x}, "%s" % [x, x]]]
x = "é" * 5000; return "%s %s" % x
x = "é" * 5000; return "%s" % (x, x)
x = "é" * 5000; return "%s %d" % (x, x)
x = "é" * 5000; return "%s %" % x
x = "é" * 5000; return "%s %" % (x, 1)
x = "é" * 5000; return "%s %q" % (x, 1)
x = "é" * 5000; return "%s %é" % (x, 1)
x = "é" * 5000; return "%(a)s" % x
x = "é" * 5000; return "%(a)s" % (x,)
x = "é" * 5000; return "%(b)s" % {"a": x}
x = "é" * 5000; return "%(a)s %(a" % {"a": x}
x = "é" * 5000; return "%(a)s %(a)" % {"a": x}
x = "é" * 5000; return "%(a)s %s" % {"a": x}
x = "é" * 5000; return hash("%s %(a)s" % {"a": x})
x = "é" * 5000; return "%s %s" % {"a": x}
x = "é" * 5000; return "%d" % [x]
x = "é" * 5000; return "%s" % ()  + x * 0
x = "é" * 5000; return (x + "%s") % ()
x = "é" * 5000; return (x + "%d") % 1.5
x = "é" * 5000; return [hash(y) for y in [(x + "%d") % 1.0, (x + "%s") % None, (x + "%%") % (), x % (), (x + "%s%s") % ("", 1)]]
x = "é" * 5000; return x % 1
x = "é" * 5000; return [hash(y) for y in ["{}{}{{}}{!r}".format(x, [x], x), "{0}{1}{0!s}{1!r}".format(x, (x,)), "{a}{b!r}{}{{".format(x, a = 1, b = x), "}}{}".format(x), "{01}{00}".format(x, "y")]]
x = "é" * 5000; return "{}{}".format(x)
x = "é" * 5000; return "{}{0}".format(x)
x = "é" * 5000; return "{0}{}".format(x)
x = "é" * 5000; return "{}{b}".format(x)
x = "é" * 5000; return "{} {".format(x)
x = "é" * 5000; return "{} }".format(x)
x = "é" * 5000; return "{} }x".format(x)
x = "é" * 5000; return "{!x}".format(x)
x = "é" * 5000; return "{!}".format(x)
x = "é" * 5000; return "{!r!s}".format(x)
x = "é" * 5000; return "{:}{}".format(x, x) == x + x
x = "é" * 5000; return "{:>5}".format(x)
x = "é" * 5000; return "{0!r:}".format(x) == repr(x)
x = "é" * 5000; return "{a.b}".format(x, a = 1)
x = "é" * 5000; return "{a[b]}".format(x, a = 1)
x = "é" * 5000; return "{ 0}".format(x)
x = "é" * 5000; return "{-1}".format(x)
x = "é" * 5000; return "{+0}".format(x)
x = "é" * 5000; return "{0x0}".format(x)
x = "é" * 5000; return "{{{}}}".format(x) == "{" + x + "}"
x = "é" * 5000; return "{{}".format(x)
x = "é" * 5000; return "{{{}".format(x) == "{" + x
x = "é" * 5000; return hash("{}}}".format(x))
x = "é" * 5000; return "{0}{1}".format(x, a = x)
x = ["é" * 50] * 500; return fail("a", x, sep = "-")
x = ["é" * 50] * 500; return fail(x, "b", (x,), 1)
x = ["é" * 50] * 500; print(x, "b", (x,), 1); print("a", x, sep = "-"); return 1
x = ["é" * 50] * 500; return str(x, x)
x = ["é" * 50] * 500; return repr(x = x)
x = bytes("é" * 5000) + b"\xff\xc3" + bytes("é" * 9000); return [hash(str(x)), hash(str(x[1:])), hash(repr(x))]
return [("a" * 9).isalpha(), "".isalpha(), "A1".isupper(), " ".isspace()]
x = list(range(5000)); y = x + x; return [len(y), y[4998:5002], y[-1]]
x = list(range(5000)); y = x[1:4999]; y.append(-1); return [len(x), len(y), y[0], y[-2:], x[4990:], x[:-4995], x[7:3], x[4997:2:-1000]]
x = list(range(5000)); x += x; return [len(x), x[4999], x[5000]]
x = "a" * 70000; x += 1
x = list(range(5000)); return x + (1,)
return [1 + 2, 2.5 + 1, "a" + "b", [1] + [2], (1,) + (2,), b"a" + b"b"]
x = 1; y = "a"; return x + y
x = [1]; return x + (2,)
x = "a"; return x - x
x = 7; y = -2; return [x - y, x * y, x / y, x // y, x % y, x | 8, x & 3, x ^ 1, x << 3, x >> 1, -x, +x, ~x]
x = 7.5; y = 2; return [x - y, x * y, x / y, x // y, x % y]
x = "ab"; n = 3; return [x * n, n * x, [1] * n, n * (1, 2), x * 0, x * -1, b"a" * n]
x = None; return x * 2
x = 1 << 600; return x
x = 1; n = -1; return x << n
x = 3; x = x * x * x * x; return [x * x * x * x * x, 123456789012345678901234567890 * x]
x = 5; return x // 0
x = 5; return x % 0
x = "%s %d %r %% %x %o %c %g"; return x % ("a", 12, "q\"", 255, 8, "z", 1.5)
x = "%s"; return [x % "a", x % 7, x % [1], x % None, x % {"a": 1}, x % True, x % 1.5]
x = "%d"; return [x % 7, x % True, x % 2.7]
x = "%d"; return x % "a"
x = "%s"; return x % ()
x = "%s"; return x % (1, 2)
x = "%z"; return x % 1
x = "100%"; return x % 1
x = "%%"; return x % ()
x = "%(a)s-%(b)d"; return x % {"a": "x", "b": 2}
x = "%(a)s"; return x % {"b": 2}
x = [3]; x += [4]; y = x; y += (5,); return [x, y]
x = [3]; x += range(3); return x
x = [3]; x += 7; return x
x = "a"; x += "b"; x += "c"; return x
x = (1,); x += (2,); return x
x = 5; x += 2; x -= 1; x *= 3; x //= 2; x %= 5; x <<= 3; x |= 1; x &= 13; x ^= 2; return x
x = 5.0; x /= 2; return x
d = {"a": 1}; d |= {"b": 2}; e = d; e |= {"c": 3}; return [d, e]
d = {"a": 1}; d["a"] += 5; d["a"] -= 1; n = 3; d["a"] *= n; return d
d = {"a": [1]}; d["a"] += [2]; return d
d = {"a": "x"}; k = "a"; d[k] += "y"; d[k] *= 2; return d
l = [[1], [2]]; i = 1; l[i - 1] += [3]; l[i] += [4]; return l
l = [1]; l[3] += 1; return l
d = {}; k = "z"; d[k] += "a"; return d
c = []; c.append(c.append(1)); c[len(c) - 1:] ; return c
s = set([1, 2]); t = set([2, 3]); return [s | t, s & t, s - t, s ^ t]
s = set([1, 2]); s |= set([3]); return s
x = set([1]); y = [1]; return x | y
x = {}; y = 1; return x | y
x = 1; y = [1, 2]; return [x in y, x not in y, 3 in y, "a" in "abc", x in {1: 2}, x in set([1]), x in (1, 2), x in range(3)]
x = 1; y = 2; return x in y
x = 1; y = "a"; return x in y
x = [1]; y = {}; return x in y
x = [1, [2, {"a": (3,)}]]; y = [1, [2, {"a": (3,)}]]; return [x == y, x != y, x == 1, x < 1 if False else 0]
x = [1, 2]; y = [1, 3]; return [x < y, x <= y, x > y, x >= y]
x = (1, "a"); y = (1, "b"); return [x < y, sorted([y, x]), max(x, y), min([x, y])]
x = 1; y = "a"; return x < y
x = {}; y = {}; return x < y
x = [1, "a"]; y = ["a", 1]; return x < y
x = [[[[[[[[[[[[[1]]]]]]]]]]]]]; y = [[[[[[[[[[[[[1]]]]]]]]]]]]]; return x == y
l = [1, 2, 3, 4]; n = 1; return [l[n:], l[:n], l[n:3], l[::2], l[::-1], l[-1:], "abcd"[n:], "abcd"[::-1], (1, 2, 3)[n:], (1, 2, 3)[::-1], range(9)[2:5]]
l = [1]; return l[::0]
l = 1; return l[1:]
d = {(1, (2, 3)): "a"}; k = (1, (2, 3)); return [d[k], d.get(k), d.get((9,)), d.get((9,), 1)]
d = {}; k = [1]; d[k] = 1; return d
d = {}; k = [1]; return d[k]
d = {}; k = [1]; return d.get(k)
d = {}; k = "nope"; return d[k]
k = [1]; return {k: 1}
k = "a"; return {k: 1, "a": 2}
k = "a"; return {k: 1, "b": {k: [k]}}
return {k: v for k, v in [(1, 2), (3, 4)]}
return {[k]: 1 for k in [1]}
return [[x, y] for x in range(3) for y in range(x) if y != 1]
l = [3, 1, 2]; return [sorted(l), sorted(l, reverse = True), sorted(l, key = lambda x: -x), l]
l = ["bb", "a", "ccc"]; return [sorted(l, key = len), sorted(l, key = len, reverse = True), sorted(l, None if False else len)]
return sorted([1, "a"])
return sorted(1)
return sorted([1], key = lambda: 1)
return sorted([1], keys = 1)
return [list((1, 2)), tuple([1]), list("ab".elems()), list({"a": 1}), list(set([1])), list(range(2)), list(), tuple()]
return list(1)
return [dict([(1, 2), [3, 4]]), dict({1: 2}), dict(a = 1), dict([(1, 2)], b = 3), dict()]
return dict([1])
return dict([(1, 2, 3)])
return dict(1)
return dict([([], 1)])
return dict(1, 2)
return [set([1, 2, 1]), set(), set({"a": 1}), set("ab".elems())]
return set([[]])
return set(1)
return set([1], [2])
return [enumerate(["a"]), enumerate(["a"], 5), zip([1, 2], "ab".elems()), zip(), zip([1]), reversed([1, 2])]
return enumerate(1)
return zip([1], 2)
return [max(1, 2), max([1, 3, 2]), min(["b", "a"]), max([1, -5], key = abs), min([1], key = lambda x: x)]
return max([])
return max(1)
return max([1, "a"])
return max([1], key = 2)
return [any([0, 1]), all([]), all([1, 0]), any([])]
return all(1)
return [str(1), str("a"), str([1, "a"]), str(None), str({1: (2,)}), str(len), str(set([1])), repr("a\n\"\\\x01"), repr(b"a"), str(1.0)]
l = []; l.append(l); return str(l)
d = {}; d["d"] = d; return [str(d)]
return str()
return fail("a", [1], 2.5)
return fail("a", "b", sep = "-")
return [int("12"), int("ff", 16), int("0x1f", 0), int(2.9), int(-2.9), int(True), int(1 << 70), int("-7"), int(1e30)]
return int("x")
return int("1", 99)
return int([])
return int(1, 10)
return int(float("nan"))
return int(float("inf"))
return int()
return [bytes("ab"), bytes([97, 98]), bytes(b"a")]
return bytes([300])
return [getattr("a", "upper")(), getattr([], "append")(1), getattr({}, "get")(1, 2), getattr(1, "x", 3), hasattr([], "append"), hasattr([], "x")]
return getattr(1, "x")
return [type([].append), type("".join), str("".join), str([].append), bool("".join), dir("")[:3], [].append == [].append]
l = []; f = l.append; f(1); f(2); return l
return [].append()
return [].append(1, 2)
return [].append(x = 1)
l = [1, 2, 3, 2]; l.insert(1, 9); l.remove(2); l.extend((7, 8)); l.extend({"a": 1}); return [l, l.index(2), l.pop(), l.pop(0), l]
l = [1]; l.extend(l); return l
l = [1]; return l.index(5)
l = [1]; return l.remove(5)
l = [1]; return l.pop(5)
l = [1]; return l.extend(1)
l = [1]; [l.append(1) for x in l]; return l
d = {"a": 1}; return [d.items(), d.keys(), d.values(), d.get("a"), d.get("b", 2), d.pop("a"), d.pop("a", 3), d.setdefault("c", 4), d.setdefault("c"), d]
d = {"a": 1}; d.update({"b": 2}); d.update([("c", 3)]); d.update(d = 4); d.update([["e", 5]], f = 6); return [d, d.popitem(), d]
d = {}; return d.update([1])
d = {}; return d.update([("a",)])
d = {}; return d.update(1, 2)
d = {}; return d.update([([], 1)])
d = {}; return d.pop("a")
d = {}; return d.pop([])
d = {1: 1}; [d.update({x + 1: 1}) for x in d]; return d
d = {}; return d.setdefault([])
s = set([1]); s.add(2); s.discard(9); s.update([3], (4,)); s.remove(1); return [s, s.union([9], [8]), s.difference([3]), s.intersection([3]), s.symmetric_difference([3, 7]), s.issubset([2, 3, 4]), s.issuperset([2])]
s = set([1]); t = set([3, 1, 2]); return [s | t, t | s, t - s, s - s, t & s, s ^ t, t ^ s, s | s, set() ^ t, set() & t, s.union(), t.union(s, {7: 8}, "ab".elems())]
s = set([1, 2]); t = s; s |= set([3]); t |= t; s -= set([1]); s &= set([2, 9]); s ^= set([4]); return [s, t]
s = set([1]); return [s.issubset([1, []]), set().issubset([[]]), s.issuperset([2, []]), s.issubset(range(0)), s.issuperset(()), s <= set([1, 2])]
s = set([1]); return s.union([[]])
s = set([1]); return s.union([2], 3)
s = set([1]); return s.union([2], x = 1)
s = set([1]); return s.update(x = 1)
s = set([1]); return s.union([[]], 3)
s = set([1]); return s.difference([[]])
s = set([1]); return s.difference(2)
s = set([1]); return s.difference([1], [2])
s = set([1]); return s.difference(x = [1])
s = set([1]); return s.intersection([[]])
s = set([1]); return s.symmetric_difference([[]])
s = set([1]); return s.issubset([[]])
s = set([1]); return s.issuperset([[]])
s = set([1]); [s.update([2]) for x in s]; return s
s = set([1]); return [s.union(s), s.difference(s), s.symmetric_difference(s), s.issubset(s), getattr(s, "union")([2])]
x = set([1]); x |= [2]; return x
x = {1: 2}; y = x; y |= x; y |= {1: 3, 4: 5}; return [x, y, x | {4: 6, 7: 8}, {} | x, x | {}, x | x]
x = {1: 2}; x |= [2]; return x
x = {1: 2}; l = [x]; l[0] |= {2: 3}; return [l, x]
def f(x, l): l[0] |= x; [f({2: 3}, [x]) for x in [{1: 2}]]; x = {1: 2}; return [f({}, [x]) for y in x]
x = dict(config); x |= {"a": 1}; return x.keys()
s = set(range(30)); t = set(range(20, 50)); return [s | t, t | s, s - t, t - s, s & t, t & s, s ^ t, t ^ s, s - s, s | s, s ^ s]
s = set(range(30)); t = s; s |= set(range(9)); t |= t; s -= set([1]); s &= set(range(29)); s ^= set([4]); return [s, t]
x = {n: n for n in range(30)}; y = x; y |= x; y |= {n: -n for n in range(20, 50)}; return [x, y, x | {4: 6, 70: 8}, {} | x, x | {}, {1: 2} | x]
def f(x, l): l[0] |= x; x = {n: n for n in range(40)}; return [f({2: 3}, [x]) for y in x]
def f(x, l): l[0] |= x; x = {n: n for n in range(40)}; return [f({}, [x]) for y in x]
s = set(); return s.add([])
s = set(); return s.update(1)
s = set([1]); return s.remove(2)
s = "a,b,,c"; return [s.split(","), s.split(",", 1), s.rsplit(",", 1), " a  b ".split(), " a  b ".split(None, 1), "a\nb\r\nc".splitlines(), s.partition(","), s.rpartition(",")]
s = " a  b c "; return [s.rsplit(None, 1), s.rsplit(None, 0), s.rsplit(), s.rsplit(" ", 2), s.rsplit(None, 99), "a\nb\n".splitlines(True), s.split(" ", 1 << 40), s.count(" "), s.count("")]
s = "ab" * 140000; return [s.count("ab"), s.count("ba"), len(s.replace("ab", "c")), s.split("ab", 1)[0], s.count("ab", 1), "é" * 3 + s.strip("bé")[:3]]
s = "a"; return s.rsplit(None, 1 << 70)
s = "abc"; return s.split("")
s = " aXb "; return [s.strip(), s.lstrip(), s.rstrip(), "xxaxx".strip("x"), s.lower(), s.upper(), s.title(), s.capitalize(), s.count("X"), s.find("X"), s.rfind("q"), s.index("X"), s.replace("X", "yy"), s.replace("", "-", 2)]
s = "abc"; return s.index("z")
s = "a"; return [s.isalnum(), s.isalpha(), s.isdigit(), s.islower(), s.isspace(), s.istitle(), s.isupper(), s.startswith("a"), s.endswith(("b", "a")), s.removeprefix("a")]
s = "a\u00e9"; return [list(s.elems()), list(s.codepoints()), list(s.elem_ords()), list(s.codepoint_ords()), list(b"ab".elems())]
s = ", "; return [s.join(["a", "b"]), s.join(("a",)), s.join([]), "".join({"a": 1, "b": 2}), "-".join("abc".elems())]
s = ","; return s.join([1])
s = ","; return s.join(1)
s = "{} {1}"; return s.format(1, 2)
s = "{a} {0} {b!r} {{}} {}"; return s.format(1, a = 2, b = "q")
s = "{a} {0} {b!r} {{}}"; return s.format(1, a = 2, b = "q")
s = "{x}"; return s.format(1)
s = "{}"; return s.format()
return 7 .join([])
x = 7; return x.append(1)
x = None; return x.get("a")
x = "a"; return x.append(1)
return [g(*[1, 2]), g(*(1,), **{"a": 2}), g(1, *[2], a = 3, **{"b": 4}), g(*{"k": 1}), g()]
return g(*1)
return g(**1)
return g(**{1: 2})
return g(a = 1, **{"a": 2})
f = lambda x, y = 2, *a, **k: [x, y, a, k]; return [f(1), f(1, 3, 4, z = 5)]
f = lambda x: x; return f()
f = lambda x: x; return f(1, 2)
def h(a, b = [1]): return a + b[0]; return h(1)
return candidates[0].nope
return ctx.append(1)
return ctx.headers.update
return [c.name for c in candidates if c in candidates and c == candidates[1]]
return config["nested"] == config["nested"]
return [config.get("regions"), config.get("nope", "x"), "regions" in config, dict(config).keys(), len(config.items())]
return config.pop("x")
return principal.claims["roles"].append(1)
return (1 if candidates else 2) + len(candidates) * 2 - 1
x = not (1 in [1]); y = 1 not in [2] and 2 in [2]; return [x, y, not y]
a, b = (1, 2); (c, d), e = ([3, 4], 5); return [a, b, c, d, e]
x = [0, 0]; x[0], x[1] = 1, 2; return x
d = {}; d["a"], k = 1, "b"; d[k] = 2; return d
x = 3; return -x + (-1) - (+x) * 2.0
return "a" "b" if False else "a" + "b" + str(1) + "c"
x = True; return x + 1
x = True; return "a" * x
x = 0; return [x == None, x == 0, None == x, x != None]
return undefined_later; undefined_later = 1
`
