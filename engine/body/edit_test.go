package body_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"sluice/engine/body"
)

func TestSetReplacesAppendsAndMakes(t *testing.T) {
	t.Parallel()
	f := func(src, p, value, want string) {
		t.Helper()
		for _, d := range docs(t, src) {
			if err := d.Set(path(t, p), []byte(value)); err != nil || string(d.Bytes()) != want {
				t.Errorf("%s: set %s to %s: %v\n got %s\nwant %s", src, p, value, err, d.Bytes(), want)
			}
			if d.Changed() != (src != want) {
				t.Errorf("%s: set %s to %s: changed is %v", src, p, value, d.Changed())
			}
		}
	}
	// What is there is replaced, and nothing else is touched.
	f(`{"model":"a","stream":true}`, "model", `"long name"`, `{"model":"long name","stream":true}`)
	f(` { "a" : 1 , "b" : [ 1 , 2 ] } `, "b.1", `{"x":[]}`, ` { "a" : 1 , "b" : [ 1 , {"x":[]} ] } `)
	f(`{"\u0061":1,"b":2}`, "a", `"é"`, `{"\u0061":"é","b":2}`)
	f(`{"a":1}`, "a", " \n[1, 2]\t", `{"a":[1, 2]}`)
	f(`{"a":{"b":"\u0031"}}`, "a.b", `"1"`, `{"a":{"b":"1"}}`)
	f(`{"a":1.0}`, "a", `1.0`, `{"a":1.0}`)
	f(` [1] `, "", `{}`, ` {} `)
	// A missing key becomes the last member.
	f(`{}`, "a", `1`, `{"a":1}`)
	f(` { } `, "a", `1`, ` {"a":1 } `)
	f(`{"a":1}`, "b", `2`, `{"a":1,"b":2}`)
	f("{\n  \"a\": 1\n}\n", "b", `2`, "{\n  \"a\": 1,\"b\":2\n}\n")
	f(`{"a":{"x":[]},"b":1}`, "a.y", `2`, `{"a":{"x":[],"y":2},"b":1}`)
	f(`{}`, `a\.b."`, `1`, `{"a.b":{"\"":1}}`)
	f(`{"0":1}`, "1", `2`, `{"0":1,"1":2}`)
	f(`{}`, "-1", `1`, `{"-1":1}`)
	// -1 appends.
	f(`{"l":[]}`, "l.-1", `1`, `{"l":[1]}`)
	f(`{"l":[ ]}`, "l.-1", `1`, `{"l":[1 ]}`)
	f(`{"l":[1 , 2 ]}`, "l.-1", `3`, `{"l":[1 , 2,3 ]}`)
	f(`{"l":[[1]]}`, "l.0.-1", `2`, `{"l":[[1,2]]}`)
	f(`{"l":[1]}`, "l.-1.a.-1", `2`, `{"l":[1,{"a":[2]}]}`)
	f(`[]`, "-1", `1`, `[1]`)
	// What leads there is made, null counts as absent.
	f(`{}`, "a.b.c", `1`, `{"a":{"b":{"c":1}}}`)
	f(`{"a":null}`, "a.b", `1`, `{"a":{"b":1}}`)
	f(`{"a":null,"b":1}`, "a.-1.-1", `1`, `{"a":[[1]],"b":1}`)
	f(`{"b":1}`, "a.-1", `1`, `{"b":1,"a":[1]}`)
	f(`null`, "a", `1`, `{"a":1}`)
	// Duplicates on the way go, so that every parser reads the same.
	f(`{"a":1,"b":2,"a":3}`, "a", `4`, `{"b":2,"a":4}`)
	f(`{ "a":1 , "a":2 , "b":3 }`, "a", `2`, `{ "a":2 , "b":3 }`)
	f(`{"a":{"x":1},"\u0061":{"y":1,"y":2,"z":3},"b":3}`, "a.y", `4`, `{"\u0061":{"y":4,"z":3},"b":3}`)
	f(`{"a":{"x":1},"c":0,"a":null}`, "a.x", `4`, `{"c":0,"a":{"x":4}}`)
	f(`[{"a":1,"a":2,"a":[3]}]`, "0.a.-1", `4`, `[{"a":[3,4]}]`)
	f(`{"b":1,"b":2,"a":3}`, "a", `4`, `{"b":1,"b":2,"a":4}`)
}

func TestSetRefusesWhatItCannotPlace(t *testing.T) {
	t.Parallel()
	f := func(src, p, value, want string) {
		t.Helper()
		for _, d := range docs(t, src) {
			if err := d.Set(path(t, p), []byte(value)); err == nil || err.Error() != want {
				t.Errorf("%s: set %s to %s:\n got %v\nwant %s", src, p, value, err, want)
			}
			if string(d.Bytes()) != src || d.Changed() {
				t.Errorf("%s: set %s to %s: changed to %s", src, p, value, d.Bytes())
			}
		}
	}
	f(`{"a":"x"}`, "a.b", `1`, `set "a.b": "a" is a string: expected an object or a list`)
	f(`{"a":{"b":7}}`, "a.b.c.d", `1`, `set "a.b.c.d": "a.b" is a number: expected an object or a list`)
	f(`true`, "a", `1`, `set "a": the body is a bool: expected an object or a list`)
	f(`{"l":[1]}`, "l.1", `1`, `set "l.1": "l" is a list: expected one of its positions or -1, found "1"`)
	f(`{"l":[1]}`, "l.role", `1`, `set "l.role": "l" is a list: expected one of its positions or -1, found "role"`)
	f(`[]`, "0", `1`, `set "0": the body is a list: expected one of its positions or -1, found "0"`)
	f(`{}`, "a.0", `1`, `set "a.0": there is no list that has position 0: expected a key or -1`)
	f(`{"a":null}`, "a.0.b", `1`, `set "a.0.b": there is no list that has position 0: expected a key or -1`)
	f(`{"a":1,"a":"x"}`, "a.b", `1`, `set "a.b": "a" is a string: expected an object or a list`)
	f(`{}`, "a", ``, `set "a": value: offset 0: expected a value, found end of input`)
	f(`{}`, "a", `1,"b":2`, `set "a": value: offset 1: expected nothing after the value, found ','`)
	f(`{}`, "a", `{"x":}`, `set "a": value: offset 5: expected a value, found '}'`)
	f(`{"a":1}`, "a", `nul`, `set "a": value: offset 3: expected 'l' of null, found end of input`)
	deep := strings.Repeat("[", 256) + strings.Repeat("]", 256)
	f(`{}`, "a", deep, `set "a": value: offset 255: nested deeper than 256`)
	f(`{}`, strings.Repeat("a.", 256)+"a", `1`, `set "`+strings.Repeat("a.", 256)+`a": value: nested deeper than 256`)
}

func TestABodyStaysOneThatScanAccepts(t *testing.T) {
	t.Parallel()
	d := body.New([]byte(`{}`))
	deepest := strings.Repeat("a.", 254) + "a"
	if err := d.Set(path(t, deepest), []byte(`[]`)); err != nil {
		t.Fatal(err)
	}
	if _, err := body.Scan(d.Bytes()); err != nil {
		t.Error(err)
	}
	if err := d.Set(path(t, deepest+".-1"), []byte(`[]`)); err == nil {
		t.Error("set 257 levels")
	}
}

func TestRemoveLeavesTheCommasRight(t *testing.T) {
	t.Parallel()
	f := func(src, p, want string) {
		t.Helper()
		for _, d := range docs(t, src) {
			if err := d.Remove(path(t, p)); err != nil || string(d.Bytes()) != want {
				t.Errorf("%s: remove %s: %v\n got %s\nwant %s", src, p, err, d.Bytes(), want)
			}
			if d.Changed() != (src != want) {
				t.Errorf("%s: remove %s: changed is %v", src, p, d.Changed())
			}
		}
	}
	f(`{"a":1,"b":2,"c":3}`, "a", `{"b":2,"c":3}`)
	f(`{"a":1,"b":2,"c":3}`, "b", `{"a":1,"c":3}`)
	f(`{"a":1,"b":2,"c":3}`, "c", `{"a":1,"b":2}`)
	f(`{"a":1}`, "a", `{}`)
	f(` { "a" : 1 , "b" : 2 , "c" : 3 } `, "a", ` { "b" : 2 , "c" : 3 } `)
	f(` { "a" : 1 , "b" : 2 , "c" : 3 } `, "b", ` { "a" : 1 , "c" : 3 } `)
	f(` { "a" : 1 , "b" : 2 , "c" : 3 } `, "c", ` { "a" : 1 , "b" : 2 } `)
	f(` { "a" : 1 } `, "a", ` {  } `)
	f("{\n  \"a\": 1,\n  \"b\": 2\n}\n", "b", "{\n  \"a\": 1\n}\n")
	f(`{"l":[1,[2],3]}`, "l.0", `{"l":[[2],3]}`)
	f(`{"l":[1,[2],3]}`, "l.1", `{"l":[1,3]}`)
	f(`{"l":[1,[2],3]}`, "l.1.0", `{"l":[1,[],3]}`)
	f(`{"l":[1,[2],3]}`, "l.2", `{"l":[1,[2]]}`)
	f(`[ 1 ]`, "0", `[  ]`)
	f(`{"\u0061":",}","b":"\"a\":1,"}`, "a", `{"b":"\"a\":1,"}`)
	// What is absent is left absent.
	f(`{"a":{"b":1},"l":[1],"s":"x","n":null}`, "a.c", `{"a":{"b":1},"l":[1],"s":"x","n":null}`)
	f(`{"a":{"b":1},"l":[1],"s":"x","n":null}`, "x.y.z", `{"a":{"b":1},"l":[1],"s":"x","n":null}`)
	f(`{"a":{"b":1},"l":[1],"s":"x","n":null}`, "l.1", `{"a":{"b":1},"l":[1],"s":"x","n":null}`)
	f(`{"a":{"b":1},"l":[1],"s":"x","n":null}`, "l.b", `{"a":{"b":1},"l":[1],"s":"x","n":null}`)
	f(`{"a":{"b":1},"l":[1],"s":"x","n":null}`, "s.0", `{"a":{"b":1},"l":[1],"s":"x","n":null}`)
	f(`{"a":{"b":1},"l":[1],"s":"x","n":null}`, "n.-1", `{"a":{"b":1},"l":[1],"s":"x","n":null}`)
	f(`7`, "a", `7`)
	// All duplicates go, wherever they stand.
	f(`{"a":1,"b":2,"a":3}`, "a", `{"b":2}`)
	f(`{"x":0,"a":1,"b":2,"\u0061":3}`, "a", `{"x":0,"b":2}`)
	f(`{"a":1,"a":2,"b":0,"a":3,"c":0,"a":4,"a":5}`, "a", `{"b":0,"c":0}`)
	f(`{"a":1,"a":2}`, "a", `{}`)
	f(`{"a":{"b":1},"a":{"b":2,"c":3,"b":4}}`, "a.b", `{"a":{"c":3}}`)
	f(`{"a":{"b":1},"x":2,"a":{"c":3}}`, "a.b", `{"x":2,"a":{"c":3}}`)
	f(`[{"a":{"b":1},"a":2}]`, "0.a.b", `[{"a":2}]`)
}

func TestRemoveRefusesWhatHasNoMeaning(t *testing.T) {
	t.Parallel()
	f := func(src, p, want string) {
		t.Helper()
		d := body.New([]byte(src))
		if err := d.Remove(path(t, p)); err == nil || err.Error() != want {
			t.Errorf("%s: remove %s:\n got %v\nwant %s", src, p, err, want)
		}
		if string(d.Bytes()) != src || d.Changed() {
			t.Errorf("%s: remove %s: changed to %s", src, p, d.Bytes())
		}
	}
	f(`{"a":{"l":[1]}}`, "a.l.-1", `remove "a.l.-1": "a.l" is a list: expected one of its positions, found -1`)
	f(`[[1]]`, "-1.0", `remove "-1.0": the body is a list: expected one of its positions, found -1`)
	f(`{}`, "", `remove: expected a path, found an empty one`)
}

func TestManyEditsFollowEachOther(t *testing.T) {
	t.Parallel()
	src := claudeBody(20_000)
	kept := bytes.Clone(src)
	top, err := body.Scan(src)
	if err != nil {
		t.Fatal(err)
	}
	first, second := body.WithTop(top), body.WithTop(top)
	set := func(d *body.Doc, p, value string) {
		t.Helper()
		if err := d.Set(path(t, p), []byte(value)); err != nil {
			t.Error(err)
		}
		if got := string(d.Raw(path(t, p))); got != value {
			t.Errorf("%s is %s after set, want %s", p, got, value)
		}
	}
	remove := func(d *body.Doc, p string) {
		t.Helper()
		if err := d.Remove(path(t, p)); err != nil || d.Has(path(t, p)) {
			t.Errorf("%s is %s after remove: %v", p, d.Raw(path(t, p)), err)
		}
	}
	messages := string(first.Raw(body.Path{"messages"}))
	set(first, "anthropic_version", `"bedrock-2023-05-31"`)
	remove(first, "model")
	set(first, "metadata.user_id", `"u"`)
	set(first, "stream", `false`)
	remove(first, "thinking")
	set(first, "anthropic_version", `"x"`)
	set(first, "last", `{"a":1}`)
	set(first, "last.b", `[]`)
	set(first, "first", `1`)
	remove(first, "stream")
	set(second, "model", `"other"`)
	tail := `,"metadata":{"user_id":"u"},"max_tokens":32000,"temperature":1,"service_tier":"auto",` +
		`"anthropic_version":"x","last":{"a":1,"b":[]},"first":1}`
	if got := string(first.Bytes()); !strings.HasPrefix(got, `{"messages":`+messages+`,"system"`) || !strings.HasSuffix(got, tail) {
		t.Errorf("ends in %s", got[len(got)-len(tail):])
	}
	want := strings.Replace(string(kept), "claude-sonnet-4-5-20250929", "other", 1)
	if string(second.Bytes()) != want {
		t.Error("edits of one Doc reached another of the same Top")
	}
	if !bytes.Equal(src, kept) {
		t.Error("the scanned bytes were written to")
	}
	if v, _ := top.Get("model"); string(v.Raw()) != `"claude-sonnet-4-5-20250929"` {
		t.Errorf("the Top was written to: model is %s", v.Raw())
	}
}

func TestAValueMayComeFromTheSameBody(t *testing.T) {
	t.Parallel()
	d := body.New([]byte(`{"a":"long enough to overlap","b":[1],"c":2}`))
	for _, p := range []string{"c", "b.0", "b.-1", "d", "a"} {
		if err := d.Set(path(t, p), d.Raw(body.Path{"a"})); err != nil {
			t.Fatal(err)
		}
	}
	const a = `"long enough to overlap"`
	if want := fmt.Sprintf(`{"a":%s,"b":[%s,%s],"c":%s,"d":%s}`, a, a, a, a, a); string(d.Bytes()) != want {
		t.Errorf("got %s", d.Bytes())
	}
}

func TestABodyMayBeBuiltFromNothing(t *testing.T) {
	t.Parallel()
	d := body.New([]byte(`null`))
	for i := range 300 {
		if err := d.Set(body.Path{fmt.Sprintf("k%d", i)}, fmt.Appendf(nil, "%d", i)); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 300 {
		if got := string(d.Raw(body.Path{fmt.Sprintf("k%d", i)})); got != fmt.Sprint(i) {
			t.Fatalf("k%d is %s", i, got)
		}
	}
	for i := range 300 {
		if err := d.Remove(body.Path{fmt.Sprintf("k%d", i)}); err != nil {
			t.Fatal(err)
		}
	}
	if string(d.Bytes()) != "{}" {
		t.Errorf("got %s", d.Bytes())
	}
}

func TestOnlyTheFirstEditCopiesTheBody(t *testing.T) {
	top, err := body.Scan(claudeBody(200_000))
	if err != nil {
		t.Fatal(err)
	}
	model, version := body.Path{"model"}, body.Path{"anthropic_version"}
	texts := [][]byte{[]byte(`"a"`), []byte(`"b"`)}
	if n := testing.AllocsPerRun(100, func() { _ = body.WithTop(top).Set(model, texts[0]) }); n > 4 {
		t.Errorf("the first edit: %v allocations, want at most 4", n)
	}
	d := body.WithTop(top)
	_ = d.Set(version, texts[0])
	i := 0
	if n := testing.AllocsPerRun(100, func() {
		i++
		_ = d.Set(model, texts[i%2])
		_ = d.Set(version, texts[i%2])
	}); n > 2 {
		t.Errorf("two later edits: %v allocations, want at most 2", n)
	}
}
