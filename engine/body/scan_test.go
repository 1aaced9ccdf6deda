package body_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"sluice/engine/body"
)

func TestScanAcceptsWhatRFC8259Accepts(t *testing.T) {
	t.Parallel()
	f := func(src string) {
		t.Helper()
		if _, err := body.Scan([]byte(src)); err != nil {
			t.Errorf("%q: %v", src, err)
		}
		if !json.Valid([]byte(src)) {
			t.Errorf("%q: encoding/json refuses it", src)
		}
	}
	f(`null`)
	f(" \t\r\n true \t\r\n ")
	f(`{}`)
	f(`[ ]`)
	f(`{"a":1,"b":[true,false,null,{"c":"d"}] , "e" : { } }`)
	f(`"` + strings.Repeat("long text, ", 100) + `"`)
	f(`"\"\\\/\b\f\n\r\t\u00e9\uD83D\ude00"`)
	f(`"\ud800 alone \udc00"`)
	f("\"\xff\xfe not UTF-8 \x7f\"")
	f(`"日本語"`)
	f(`0`)
	f(`-0`)
	f(`-0.0e-0`)
	f(`1234567890123456789012345678901234567890`)
	f(`1E+400`)
	f(`[0.1,1e1,1E1,1e+1,1e-1,10.01e10]`)
	f(`{"":""}`)
	f(strings.Repeat("[", 256) + strings.Repeat("]", 256))
	f(strings.Repeat(`{"a":[`, 128) + strings.Repeat("]}", 128))
}

func TestScanSaysWhereAndWhatItWanted(t *testing.T) {
	t.Parallel()
	f := func(src, want string) {
		t.Helper()
		_, err := body.Scan([]byte(src))
		if err == nil || err.Error() != want {
			t.Errorf("%q:\n got %v\nwant %s", src, err, want)
		}
		if len(src) < 500 && json.Valid([]byte(src)) {
			t.Errorf("%q: encoding/json accepts it", src)
		}
	}
	f(``, `offset 0: expected a value, found end of input`)
	f(" \n", `offset 2: expected a value, found end of input`)
	f(`{"a":1} x`, `offset 8: expected nothing after the value, found 'x'`)
	f(`{"model":"a-123" x}`, `offset 17: expected ',' or '}' after object value, found 'x'`)
	f(`{"a":1,}`, `offset 7: expected a key in double quotes, found '}'`)
	f(`{,}`, `offset 1: expected a key in double quotes, found ','`)
	f(`{a:1}`, `offset 1: expected a key in double quotes, found 'a'`)
	f(`{'a':1}`, `offset 1: expected a key in double quotes, found '\''`)
	f(`{"a" 1}`, `offset 5: expected ':' after object key, found '1'`)
	f(`{"a":}`, `offset 5: expected a value, found '}'`)
	f(`{"a":1`, `offset 6: expected ',' or '}' after object value, found end of input`)
	f(`{`, `offset 1: expected a key in double quotes, found end of input`)
	f(`[1 2]`, `offset 3: expected ',' or ']' after list value, found '2'`)
	f(`[1,]`, `offset 3: expected a value, found ']'`)
	f(`[`, `offset 1: expected a value, found end of input`)
	f(`[}`, `offset 1: expected a value, found '}'`)
	f(`]`, `offset 0: expected a value, found ']'`)
	f(`tru`, `offset 3: expected 'e' of true, found end of input`)
	f(`nulL`, `offset 3: expected 'l' of null, found 'L'`)
	f(`fals`, `offset 4: expected 'e' of false, found end of input`)
	f(`truee`, `offset 4: expected nothing after the value, found 'e'`)
	f(`True`, `offset 0: expected a value, found 'T'`)
	f(`NaN`, `offset 0: expected a value, found 'N'`)
	f(`01`, `offset 1: expected nothing after the value, found '1'`)
	f(`-`, `offset 1: expected a digit, found end of input`)
	f(`-a`, `offset 1: expected a digit, found 'a'`)
	f(`+1`, `offset 0: expected a value, found '+'`)
	f(`.5`, `offset 0: expected a value, found '.'`)
	f(`1.`, `offset 2: expected a digit after the decimal point, found end of input`)
	f(`1.e5`, `offset 2: expected a digit after the decimal point, found 'e'`)
	f(`1e`, `offset 2: expected a digit in the exponent, found end of input`)
	f(`1e+x`, `offset 3: expected a digit in the exponent, found 'x'`)
	f(`0x10`, `offset 1: expected nothing after the value, found 'x'`)
	f(`"abc`, `offset 4: expected '"' at the end of the string, found end of input`)
	f(`"`, `offset 1: expected '"' at the end of the string, found end of input`)
	f("\"0123456789\n\"", `offset 11: control character in a string, found byte 0x0a`)
	f("\"a\x00\"", `offset 2: control character in a string, found byte 0x00`)
	f("\"éééé\x1f\"", `offset 9: control character in a string, found byte 0x1f`)
	f(`"\x"`, "offset 2: expected one of \"\\/bfnrtu after a backslash, found 'x'")
	f(`"\`, "offset 2: expected one of \"\\/bfnrtu after a backslash, found end of input")
	f(`"\"`, `offset 3: expected '"' at the end of the string, found end of input`)
	f(`"\u12g4"`, `offset 5: expected a hexadecimal digit after \u, found 'g'`)
	f(`"\u123"4`, `offset 6: expected a hexadecimal digit after \u, found '"'`)
	f(`"\u12`, `offset 5: expected a hexadecimal digit after \u, found end of input`)
	f("\ufeff{}", `offset 0: expected a value, found byte 0xef`)
	f("[1,\v2]", `offset 3: expected a value, found byte 0x0b`)
	f("[1]\x00", `offset 3: expected nothing after the value, found byte 0x00`)
	f("{\"a\":1\x00}", `offset 6: expected ',' or '}' after object value, found byte 0x00`)
	f(strings.Repeat("[", 257)+strings.Repeat("]", 257), `offset 256: nested deeper than 256`)
	f(strings.Repeat(`{"a":`, 257)+"1"+strings.Repeat("}", 257), `offset 1280: nested deeper than 256`)
	f(strings.Repeat("[", 1_000_000), `offset 256: nested deeper than 256`)
}

func TestScanErrorsHaveLineAndColumn(t *testing.T) {
	t.Parallel()
	f := func(src string, line, column int) {
		t.Helper()
		_, err := body.Scan([]byte(src))
		var syntax *body.SyntaxError
		if !errors.As(err, &syntax) || syntax.Line != line || syntax.Column != column {
			t.Errorf("%q: got %+v, want line %d column %d", src, syntax, line, column)
		}
	}
	f("x", 1, 1)
	f("{\n  \"a\": x\n}", 2, 8)
	f("{\r\n\r\n", 3, 1)
	f("[1,\n2", 2, 2)
}

func TestARoutedKeyMayNotOccurTwice(t *testing.T) {
	t.Parallel()
	f := func(src, want string) {
		t.Helper()
		got := ""
		if _, err := body.Scan([]byte(src), "model", "stream"); err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%s: got %q, want %q", src, got, want)
		}
	}
	f(`{"model":1,"stream":2,"other":3,"other":4}`, "")
	f(`{"model":1,"a":{"model":2,"model":3}}`, "")
	f(`[{"model":1},{"model":2}]`, "")
	f(`{"model":1,"model ":3,"\"model":4,"modeled":5,"":6}`, "")
	f(`{"model":1,"x":2,"model":3}`, `offset 17: duplicate key "model"`)
	f(`{"model":1,"\u006dodel":3}`, `offset 11: duplicate key "model"`)
	f(`{"\u006d\u006Fdel":1,"mode\u006c":3}`, `offset 21: duplicate key "model"`)
	f(`{"stream":1,"model":1,"stream":3}`, `offset 22: duplicate key "stream"`)

	f(`{"Model":1}`, `offset 1: key "model" in other case, want it in lower case`)
	f(`{"model":1,"\u004dodel":3}`, `offset 11: key "model" in other case, want it in lower case`)
	f(`{"ſtream":1}`, `offset 1: key "stream" in other case, want it in lower case`)
	f(`{"a":{"Model":1},"b":[{"STREAM":1}]}`, "")

	var many strings.Builder
	many.WriteString(`{"model":1`)
	for i := range 10_000 {
		fmt.Fprintf(&many, `,"k%d":0`, i)
	}
	f(many.String()+"}", "")
	f(many.String()+`,"model":2}`, fmt.Sprintf(`offset %d: duplicate key "model"`, many.Len()+1))
}

func TestTopFindsTheMembersOfTheBody(t *testing.T) {
	t.Parallel()
	f := func(src, key, want string) {
		t.Helper()
		top, err := body.Scan([]byte(src))
		if err != nil {
			t.Fatal(err)
		}
		v, ok := top.Get(key)
		if string(v.Raw()) != want || ok != (want != "") {
			t.Errorf("%s: %q is %q, %v, want %q", src, key, v.Raw(), ok, want)
		}
	}
	const src = ` { "model" : "a" ,"messages":[ 1 , 2 ], "\u0073tream":true,"n":1.5e3 , "x" : null } `
	f(src, "model", `"a"`)
	f(src, "messages", `[ 1 , 2 ]`)
	f(src, "stream", `true`)
	f(src, "n", `1.5e3`)
	f(src, "x", `null`)
	f(src, "X", ``)
	f(src, "", ``)
	f(`{"a":1,"a":2,"\u0061":3}`, "a", `3`)
	f(`{"":1}`, "", `1`)
	f("{\"\xff\":1}", "\ufffd", `1`)
	f(`{"a\ud800":1}`, "a\ufffd", `1`)
	f(`[1,2]`, "0", ``)
	f(`"model"`, "model", ``)

	var many strings.Builder
	for i := range 10_000 {
		fmt.Fprintf(&many, `,"k%d":%d`, i%9_000, i)
	}
	f("{"+many.String()[1:]+"}", "k77", "9077")
	f("{"+many.String()[1:]+"}", "k7777", "7777")
	f("{"+many.String()[1:]+"}", "k9000", "")

	if _, ok := new(body.Top).Get("model"); ok {
		t.Error("the zero Top has a member")
	}
	top, _ := body.Scan([]byte(" [1] "))
	if v := top.Value(); string(v.Raw()) != "[1]" || v.Kind() != body.List {
		t.Errorf("value is %q, a %s", v.Raw(), v.Kind())
	}
}

func TestPickFindsTheLastOfAKeyAtTheTopAlone(t *testing.T) {
	f := func(src, a, b string) {
		t.Helper()
		got, err := body.Pick([]byte(src), "a", "b")
		if err != nil || string(got[0].Raw()) != a || string(got[1].Raw()) != b {
			t.Errorf("%s: got %q and %q, %v, want %q and %q", src, got[0].Raw(), got[1].Raw(), err, a, b)
		}
	}
	f(`{"a":1,"b":{"a":2},"a":3}`, "3", `{"a":2}`)
	f(`{"b":"x","\u0061":[ 1 ]}`, "[ 1 ]", `"x"`)
	f(`[{"a":1}]`, "", "")
	f(`{}`, "", "")
	f(`{`+strings.Repeat(`"c":0,`, 1000)+`"a":1}`, "1", "")
	if _, err := body.Pick([]byte(`{"a":1,}`), "a"); err == nil {
		t.Error("got no error of what is no JSON")
	}
	src := claudeBody(1_000)
	if n := testing.AllocsPerRun(100, func() { _, _ = body.Pick(src, routed[:2]...) }); n > 0 {
		t.Errorf("it allocates %g times", n)
	}
}

func TestScanAllocatesNothingButTheIndex(t *testing.T) {
	f := func(src []byte, want float64) {
		t.Helper()
		got := testing.AllocsPerRun(100, func() {
			if _, err := body.Scan(src, routed...); err != nil {
				t.Fatal(err)
			}
		})
		if got > want {
			t.Errorf("%d bytes: %v allocations, want at most %v", len(src), got, want)
		}
	}
	f(claudeBody(200_000), 1)
	f([]byte(`{"model":"a","\u0073tream":true}`), 2)
	f([]byte(`[[1],[2]]`), 0)
	f([]byte(`{"m`+strings.Repeat("x", 100_000)+`":1,"é`+strings.Repeat("x", 100_000)+`":1}`), 1)
	f([]byte("{"+strings.Repeat(`"a":{"b":[]},`, 100_000)+`"z":0}`), 5)
}

func FuzzScan(f *testing.F) {
	f.Add(claudeBody(1_000))
	f.Add([]byte(`{"a":[1,-2.5e+3,"\ud83d\ude00\n",true,false,null,{}],"a":"\u0061"}`))
	f.Add([]byte("\"\xf0\x9f\\u12\""))
	f.Add([]byte(` [ "12345678\"12345678\\" , {"k" : 0 } ] `))
	f.Fuzz(func(t *testing.T, src []byte) {
		before := bytes.Clone(src)
		top, err := body.Scan(src)
		if want := json.Valid(src) && depth(src) <= body.MaxDepth; (err == nil) != want {
			t.Fatalf("got %v, want accepted %v", err, want)
		}
		if !bytes.Equal(src, before) {
			t.Fatal("the source was written to")
		}
		if err != nil {
			var syntax *body.SyntaxError
			if !errors.As(err, &syntax) || syntax.Offset < 0 || syntax.Offset > len(src) || syntax.Line < 1 || syntax.Column < 1 {
				t.Fatalf("error out of place: %#v", err)
			}
			return
		}
		var members map[string]json.RawMessage
		if json.Unmarshal(src, &members) != nil {
			return
		}
		for key, want := range members {
			if v, ok := top.Get(key); !ok || !bytes.Equal(v.Raw(), want) {
				t.Fatalf("%q is %q, want %q", key, v.Raw(), want)
			}
			if picked, err := body.Pick(src, "\x00", key); err != nil || !bytes.Equal(picked[1].Raw(), want) {
				t.Fatalf("%q is picked as %q, %v, want %q", key, picked[1].Raw(), err, want)
			}
		}
	})
}

// depth is how deep the objects and lists of valid JSON are nested.
func depth(src []byte) int {
	deepest, d, quoted := 0, 0, false
	for i := 0; i < len(src); i++ {
		switch c := src[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			d++
			deepest = max(deepest, d)
		case c == '}' || c == ']':
			d--
		}
	}
	return deepest
}
