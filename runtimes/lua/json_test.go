package lua_test

import (
	"strings"
	"testing"
)

func TestJSONKeepsOrderAndDigits(t *testing.T) {
	t.Parallel()
	f := func(text string) {
		t.Helper()
		got, err := eval(t, "return json.encode(json.decode([==["+text+"]==]))")
		if err != nil || got != text {
			t.Errorf("%s came back as %s, %v", text, got, err)
		}
	}
	f(`{"z":1,"a":2,"m":{"y":[],"b":{}}}`)
	f(`{"a":null,"b":[null,null],"c":true,"d":false}`)
	f(`[1,-2,0.5,1e-07,1e+300,9007199254740991,9007199254740992,-9007199254740992]`)
	f(`[9007199254740993,-9007199254740993,9223372036854775807,123456789012345678901234567890]`)
	f(`{"":"","a.b":"<>&","c":"é \\ \" \u0001"}`)
	f(`[]`)
	f(`{}`)
	f(`[[],{},[[]]]`)
	f(`"text"`)
	f(`null`)
	f(`12`)
	f(strings.Repeat("[", 256) + strings.Repeat("]", 256))
}

func TestJSONEncodesTables(t *testing.T) {
	t.Parallel()
	f := func(value, want string) {
		t.Helper()
		got, err := eval(t, "return json.encode("+value+")")
		if err != nil || got != want {
			t.Errorf("json.encode(%s) = %s, %v, want %s", value, got, err, want)
		}
	}
	f(`{}`, `{}`)
	f(`json.array({})`, `[]`)
	f(`json.array{1, 2}`, `[1,2]`)
	f(`{1, 2, {3}}`, `[1,2,[3]]`)
	f(`{b = 1, a = {c = json.null}}`, `{"b":1,"a":{"c":null}}`)
	f(`{1.0, 2.5, 1e21, -0.0}`, `[1,2.5,1e+21,0]`)
	f(`json.null`, `null`)
	f(`nil`, `null`)
	f(`"a/<b>"`, `"a/<b>"`)
	f(`config.nested`, `{"deep":[1,null,"x"]}`)
	f(`config.big`, `123456789012345678901234567890`)
	f(`candidates[1].labels`, `{"team":"core","tier":"gold"}`)
	f(`(function() local t = {1, 2, 3} t[3] = nil return t end)()`, `[1,2]`)
	f(`(function() local t = json.decode("[1]") t[1] = nil return t end)()`, `[]`)
	f(`(function() local t = {a = 1} t.a = nil return t end)()`, `{}`)
	f(`(function() local t = json.decode('{"a":1,"b":2,"c":3}') t.b = nil t.d = 4 t.a = 5 return t end)()`, `{"a":5,"c":3,"d":4}`)
	f(`(function() local t = json.decode("[1,2]") t[#t + 1] = 3 table.insert(t, 4) return t end)()`, `[1,2,3,4]`)
	f(`(function() local t = {} for i = 70000, 1, -1 do t[i] = 0 end return #json.encode(t) end)()`, `140001`)
}

func TestWhatJSONCannotHoldIsAnError(t *testing.T) {
	t.Parallel()
	f := failures(t)
	f(`return json.encode({1, nil, 3})`, "json.encode: a list has nothing at position 2 of 3, want json.null there")
	f(`return json.encode({1, 2, x = 3})`, "json.encode: a table has positions and other keys, want a list or a map")
	f(`return json.encode({[3] = 1})`, "json.encode: a list has nothing at position 1 of 3, want json.null there")
	f(`return json.encode({[0] = 1})`, "json.encode: a key is a number, want a string")
	f(`return json.encode({[true] = 1})`, "json.encode: a key is a bool, want a string")
	f(`return json.encode({a = 1, [1.5] = 2})`, "json.encode: a key is a number, want a string")
	f(`return json.encode(json.array({x = 1}))`, "json.encode: a table has positions and other keys, want a list or a map")
	f(`return json.encode({f = print})`, "json.encode: a function cannot be written as JSON")
	f(`return json.encode(ctx)`, "json.encode: a ctx cannot be written as JSON")
	f(`return json.encode(0/0)`, "json.encode: JSON has no number for NaN")
	f(`return json.encode(math.huge)`, "json.encode: JSON has no number for +Inf")
	f(`local t = {} t.t = t return json.encode(t)`, "json.encode: the value is nested deeper than 256")
	f(`local t = {} t[1] = t return json.encode(t)`, "json.encode: the value is nested deeper than 256")
	f(`json.array(candidates)`, "json.array changes its list, and this list is read-only: want a copy")
	f(`json.array(setmetatable({}, {}))`, "json.array: the table has a metatable of its own")
}

func TestIntegersBeyond2To53RefuseArithmetic(t *testing.T) {
	t.Parallel()
	f := failures(t)
	const want = "9007199254740993 is beyond 2^53: it keeps its digits and has no arithmetic"
	for _, op := range []string{"n + 1", "1 + n", "n - 1", "n * 2", "n / 2", "n % 2", "n ^ 2", "-n", "n < n", "n <= n"} {
		f(`local n = ctx.body:get("big") return `+op, want)
	}
	f(`return config.big.x`, `a number has no field "x"`)
	g := values(t)
	g(`tostring(ctx.body:get("big"))`, "9007199254740993")
	g(`ctx.body:get("big") == json.decode("9007199254740993")`, "true")
	g(`ctx.body:get("big") == json.decode("9007199254740995")`, "false")
	g(`ctx.body:get("big") == 5`, "false")
	g(`json.decode("9007199254740992") + 1 > 0`, "true")
}

func TestNullIsOneValue(t *testing.T) {
	t.Parallel()
	f := values(t)
	f(`json.decode("null") == json.null`, "true")
	f(`json.decode('{"a":null}').a == json.null`, "true")
	f(`json.decode('{"a":null}').b == nil`, "true")
	f(`ctx.body:get("none") == nil`, "true")
	f(`ctx.body:json().none == json.null`, "true")
	f(`#json.decode("[null,null]")`, "2")
	failures(t)(`return json.null.x`, `json.null has no field "x"`)
}

func TestDecodedTablesBelongToTheScript(t *testing.T) {
	t.Parallel()
	f := values(t)
	f(`(function() local t = ctx.body:json() t.model = "x" t.messages[1].content = "y" return json.encode(t.messages) .. t.model end)()`,
		`[{"role":"user","content":"y"}]x`)
	f(`ctx.body:get("model")`, "claude-sonnet-4-5")
	f(`(function() local keys = {} for k in pairs(ctx.body:json()) do keys[#keys + 1] = k end return table.concat(keys, " ") end)()`,
		"model max_tokens stream big messages metadata none half")
}

func TestJSONThatIsNotIsAnError(t *testing.T) {
	t.Parallel()
	f := func(body, want string) {
		t.Helper()
		_, err := eval(t, body)
		if err == nil || !strings.Contains(scriptError(t, err).Message, want) {
			t.Errorf("%s: %v, want %q", body, err, want)
		}
	}
	f(`return json.decode("{")`, "json.decode: offset 1")
	f(`return json.decode("")`, "json.decode: offset 0")
	f(`return json.decode("NaN")`, "json.decode: offset 0")
	f(`return json.decode(("["):rep(257) .. ("]"):rep(257))`, "json.decode: offset 256")
	f(`return json.decode(5)`, "decode: text is a number, want a string")
	f(`return json.decode()`, `decode: missing argument "text"`)
	f(`return json:decode("1")`, "decode is a function, want json.decode(…)")
}
