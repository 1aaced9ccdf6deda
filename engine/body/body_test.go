package body_test

import (
	"errors"
	"strings"
	"testing"

	"sluice/engine/body"
)

// path is a path as a script writes it; "" is the empty path.
func path(t testing.TB, s string) body.Path {
	t.Helper()
	if s == "" {
		return nil
	}
	p, err := body.ParsePath(s)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestGetFollowsKeysAndPositions(t *testing.T) {
	t.Parallel()
	f := func(src, p, want string) {
		t.Helper()
		for _, d := range docs(t, src) {
			v, ok := d.Get(path(t, p))
			if string(v.Raw()) != want || ok != (want != "") || d.Has(path(t, p)) != ok || string(d.Raw(path(t, p))) != want {
				t.Errorf("%s: %s is %q, %v, want %q", src, p, v.Raw(), ok, want)
			}
			if d.Type(path(t, p)) != v.Kind().String() {
				t.Errorf("%s: type of %s is %q", src, p, d.Type(path(t, p)))
			}
			if string(d.Bytes()) != src || d.Changed() {
				t.Errorf("%s: changed by looking", src)
			}
		}
	}
	const src = `{"a":{"b":[1,{"c":"x"}, [ ] ],"":5},"0":{"-1":2},"n":null,"a.b":3,"\u006b":{"\"":4}}`
	f(src, "a.b.0", `1`)
	f(src, "a.b.1", `{"c":"x"}`)
	f(src, "a.b.1.c", `"x"`)
	f(src, "a.b.2", `[ ]`)
	f(src, "a.b.3", ``)
	f(src, "a.b.2.0", ``)
	f(src, "a.b.-1", ``)
	f(src, "a.b.00", ``)
	f(src, "a.b.+1", ``)
	f(src, "a.b.1e0", ``)
	f(src, "a.b.99999999999999999999", ``)
	f(src, "a.b.c", ``)
	f(src, "0.-1", `2`)
	f(src, "n", `null`)
	f(src, "n.x", ``)
	f(src, `a\.b`, `3`)
	f(src, `k."`, `4`)
	f(src, "a.b.1.c.0", ``)
	f(src, "", src)
	f(` [ [ 1 ] , 2 ] `, "0.0", `1`)
	f(` [ [ 1 ] , 2 ] `, "1", `2`)
	f(` [ [ 1 ] , 2 ] `, "", `[ [ 1 ] , 2 ]`)
	f(`"abc"`, "0", ``)
	f(`7`, "a", ``)
	// Of duplicates the last counts, at every level.
	f(`{"x":1,"x":{"a":1,"b":2,"\u0061":3}}`, "x.a", `3`)
	f(`{"x":{"a":1},"x":{"b":2}}`, "x.a", ``)
	f(`{"x":{"a":1},"x":2}`, "x.a", ``)
}

// docs are the ways to make a Doc of src.
func docs(t *testing.T, src string) []*body.Doc {
	t.Helper()
	top, err := body.Scan([]byte(src))
	if err != nil {
		t.Fatalf("%s: %v", src, err)
	}
	return []*body.Doc{body.New([]byte(src)), body.WithTop(top)}
}

func TestABodyThatIsNotJSONCanOnlyBeReplaced(t *testing.T) {
	t.Parallel()
	f := func(src, cause string) {
		t.Helper()
		d := body.New([]byte(src))
		p := body.Path{"a", "b"}
		if d.Has(p) || d.Type(p) != "" || d.Raw(p) != nil || d.Has(nil) {
			t.Errorf("%q: found %q", src, d.Raw(p))
		}
		if err := d.Set(p, []byte("1")); err == nil || err.Error() != `set "a.b": the body is not JSON: `+cause {
			t.Errorf("%q: set: %v", src, err)
		}
		if err := d.Remove(p); err == nil || err.Error() != `remove "a.b": the body is not JSON: `+cause {
			t.Errorf("%q: remove: %v", src, err)
		}
		var syntax *body.SyntaxError
		if !errors.As(d.Err(), &syntax) || syntax.Error() != cause {
			t.Errorf("%q: %v", src, d.Err())
		}
		if string(d.Bytes()) != src || d.Changed() {
			t.Errorf("%q: changed to %q", src, d.Bytes())
		}
		d.Replace([]byte(`{"a":{"b":1}}`))
		if d.Err() != nil || string(d.Raw(p)) != "1" || !d.Changed() {
			t.Errorf("%q: after replace: %v, %q", src, d.Err(), d.Raw(p))
		}
		if err := d.Set(p, []byte("2")); err != nil || string(d.Bytes()) != `{"a":{"b":2}}` {
			t.Errorf("%q: after replace and set: %v, %q", src, err, d.Bytes())
		}
	}
	f(``, `offset 0: expected a value, found end of input`)
	if zero := body.WithTop(body.Top{}); zero.Has(nil) || zero.Err() == nil || zero.Set(body.Path{"a"}, []byte("1")) == nil {
		t.Error("the zero Top makes a body that is JSON")
	}
	f(`{"a":{"b":1}`, `offset 12: expected ',' or '}' after object value, found end of input`)
	f("--boundary\r\nfile", `offset 1: expected a digit, found '-'`)
	f(strings.Repeat(`{"a":`, 300)+"1"+strings.Repeat("}", 300), `offset 1280: nested deeper than 256`)
}

func TestALookupReadsNothingBesideItsWay(t *testing.T) {
	t.Parallel()
	src := []byte(`{"a":[1,2,3],"b":{"c":4},"d":5}`)
	top, err := body.Scan(src)
	if err != nil {
		t.Fatal(err)
	}
	copy(src[5:], `[[[[[[[`)
	d := body.WithTop(top)
	if got := string(d.Raw(body.Path{"b", "c"})); got != "4" {
		t.Errorf("b.c is %q", got)
	}
	if got := string(d.Raw(body.Path{"d"})); got != "5" {
		t.Errorf("d is %q", got)
	}
}

func TestReplaceTakesAnyBytes(t *testing.T) {
	t.Parallel()
	d := body.New([]byte(`{"a":1}`))
	if err := d.Set(body.Path{"a"}, []byte("2")); err != nil {
		t.Fatal(err)
	}
	mine := []byte(`not JSON`)
	d.Replace(mine)
	if string(d.Bytes()) != "not JSON" || d.Has(body.Path{"a"}) || d.Err() == nil || !d.Changed() {
		t.Errorf("replaced by %q, a is %q", d.Bytes(), d.Raw(body.Path{"a"}))
	}
	mine = []byte(`{"a":1}`)
	d.Replace(mine)
	if err := d.Set(body.Path{"a"}, []byte("2")); err != nil || string(mine) != `{"a":1}` || string(d.Bytes()) != `{"a":2}` {
		t.Errorf("%v: wrote to the bytes it was given: %s, has %s", err, mine, d.Bytes())
	}
}

func TestLookupsAllocateNothing(t *testing.T) {
	top, err := body.Scan(claudeBody(200_000))
	if err != nil {
		t.Fatal(err)
	}
	d := body.WithTop(top)
	f := func(p string) {
		t.Helper()
		path := path(t, p)
		if !d.Has(path) {
			t.Errorf("no %s", p)
		}
		if n := testing.AllocsPerRun(100, func() { d.Get(path) }); n != 0 {
			t.Errorf("%s: %v allocations", p, n)
		}
	}
	f("stream")
	f("metadata.user_id")
	f("messages.20.content.0.content")
	f("tools.10.input_schema.properties.edits.items.required.1")
	if n := testing.AllocsPerRun(100, func() { top.Get("max_tokens") }); n != 0 {
		t.Errorf("Top.Get: %v allocations", n)
	}
	list, _ := top.Get("messages")
	if n := testing.AllocsPerRun(100, func() {
		for v := range list.Elements() {
			_ = v.Raw()
		}
	}); n != 0 {
		t.Errorf("Elements: %v allocations", n)
	}
	tokens, _ := top.Get("max_tokens")
	if n := testing.AllocsPerRun(100, func() { tokens.Int(); tokens.Float() }); n != 0 {
		t.Errorf("Int and Float: %v allocations", n)
	}
}
