package runtimes_test

import (
	"testing"

	"sluice/engine"
	"sluice/runtimes"
)

func method(keywords bool, params ...runtimes.Param) *runtimes.Method {
	return &runtimes.Method{Name: "m", Params: params, Keywords: keywords}
}

func required(name, typ string) runtimes.Param { return runtimes.Param{Name: name, Type: typ} }
func optional(name, typ string) runtimes.Param {
	return runtimes.Param{Name: name, Type: typ, Optional: true}
}

func TestArgumentsAreBoundToParameters(t *testing.T) {
	get := method(false, required("path", "string"), optional("default", "any"))
	f := func(m *runtimes.Method, positional []runtimes.Value, named []runtimes.Named, want string) {
		t.Helper()
		args, err := m.Bind(positional, named)
		got := ""
		if err != nil {
			got = err.Error()
		} else {
			got = jsonOf(t, seq(args...))
		}
		if got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	type v = []runtimes.Value
	type n = []runtimes.Named
	f(get, v{str("a")}, nil, `["a",null]`)
	f(get, v{str("a"), num(1)}, nil, `["a",1]`)
	f(get, v{str("a")}, n{key("default", num(1))}, `["a",1]`)
	f(get, nil, n{key("default", num(1)), key("path", str("a"))}, `["a",1]`)
	f(get, nil, nil, `m: missing argument "path"`)
	f(get, v{nothing}, nil, `m: path is nothing, want a string`)
	f(get, v{num(1)}, nil, `m: path is a number, want a string`)
	f(get, v{runtimes.OfHost(runtimes.TypeUsage, nil)}, nil, `m: path is an usage, want a string`)
	f(get, v{str("a"), num(1), num(2)}, nil, `m takes at most 2 arguments, got 3`)
	f(get, v{str("a")}, n{key("path", str("b"))}, `m: argument "path" is given twice`)
	f(get, v{str("a")}, n{key("default", num(1)), key("default", num(1))}, `m: argument "default" is given twice`)
	f(get, v{str("a")}, n{key("defualt", num(1))}, `m: unknown argument "defualt", want default`)
	f(method(false), v{num(1)}, nil, `m takes no arguments, got 1`)
	f(method(false, required("s", "string")), v{str("a"), str("b")}, nil, `m takes at most 1 argument, got 2`)
	one := func(typ string) *runtimes.Method { return method(false, required("x", typ)) }
	f(one("any"), v{nothing}, nil, `[null]`)
	f(one("value"), v{nothing}, nil, `[null]`)
	f(one("any"), nil, nil, `m: missing argument "x"`)
	f(one("number"), v{runtimes.OfFloat(0.5)}, nil, `[0.5]`)
	f(one("number"), v{runtimes.OfOwn(engine.Number("1"))}, nil, `[1]`)
	f(one("number"), v{str("1")}, nil, `m: x is a string, want a number`)
	f(one("int"), v{runtimes.OfFloat(2)}, nil, `[2]`)
	f(one("int"), v{runtimes.OfFloat(2.5)}, nil, `m: x is a number, want a whole number`)
	f(one("bool"), v{num(1)}, nil, `m: x is a number, want a bool`)
	f(one("map"), v{seq()}, nil, `m: x is a list, want a map`)
	f(one("function"), v{runtimes.OfOwn(func() {})}, nil, `[own]`)
	f(one("function"), v{str("f")}, nil, `m: x is a string, want a function`)
	open := method(true, optional("name", "string"))
	f(open, v{str("a")}, nil, `["a",null]`)
	f(open, nil, n{key("b", num(1)), key("name", str("a")), key("c", num(2))}, `["a",{"b":1,"c":2}]`)
}

func TestATrailingMapIsTheNamedArguments(t *testing.T) {
	f := func(m *runtimes.Method, want string, positional ...runtimes.Value) {
		t.Helper()
		args, err := m.BindTrailing(positional)
		got := ""
		if err != nil {
			got = err.Error()
		} else {
			got = jsonOf(t, seq(args...))
		}
		if got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	utilization := method(false, required("window", "string"), optional("default", "number"))
	f(utilization, `["5h",1]`, str("5h"), obj(key("default", num(1))))
	f(utilization, `["5h",1]`, str("5h"), num(1))
	f(utilization, `["5h",1]`, obj(key("window", str("5h")), key("default", num(1))))
	f(utilization, `m: unknown argument "x", want window, default`, str("5h"), obj(key("x", num(1))))
	f(utilization, `m: an argument's name is a bool, want a string`, str("5h"), obj(key(badKey, num(1))))
	set := method(false, required("path", "string"), required("value", "value"))
	f(set, `["a",{"default":1}]`, str("a"), obj(key("default", num(1))))
	f(set, `m: missing argument "value"`, str("a"))
	candidate := method(true, optional("name", "string"))
	f(candidate, `["a",{"weight":2}]`, str("a"), obj(key("weight", num(2))))
	f(candidate, `[null,{"weight":2}]`, obj(key("weight", num(2))))
	request := method(true, optional("body", "value"))
	f(request, `[{"a":1},null]`, obj(key("a", num(1))))
	f(request, `[{"a":1},{"url":"u"}]`, obj(key("a", num(1))), obj(key("url", str("u"))))
	request.Makes = runtimes.TypeRequest
	f(request, `[1,{"url":"u"}]`, obj(key("url", str("u")), key("body", num(1))))
	f(request, `[null,null]`, obj())
	f(request, `[{"url":"u","a":1},null]`, obj(key("url", str("u")), key("a", num(1))))
	f(request, `[{"a":1},{"url":"u"}]`, obj(key("a", num(1))), obj(key("url", str("u"))))
}

func TestBindingArgumentsInPlaceAllocatesNothing(t *testing.T) {
	m := method(false, required("path", "string"), optional("default", "any"))
	room := make([]runtimes.Value, 1, 4)
	room[0] = str("a")
	if n := testing.AllocsPerRun(100, func() {
		if _, err := m.Bind(room, nil); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations, want none", n)
	}
}
