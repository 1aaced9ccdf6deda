package body_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"math/big"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"sluice/engine/body"
)

// goBuilder makes plain Go values, in which an object is a map.
type goBuilder struct{}

type bigInt string

func (goBuilder) Pause()                   {}
func (goBuilder) Null() any                { return nil }
func (goBuilder) Bool(b bool) any          { return b }
func (goBuilder) Int(n int64) any          { return n }
func (goBuilder) BigInt(digits string) any { return bigInt(digits) }
func (goBuilder) Float(f float64) any      { return f }
func (goBuilder) String(s string) any      { return s }
func (goBuilder) Array(elems []any) any    { return elems }
func (goBuilder) Object(keys []string, values []any) any {
	m := make(map[string]any, len(keys))
	for i, k := range keys {
		m[k] = values[i]
	}
	return m
}

// textBuilder writes each value as Go would, in the order it is given.
type textBuilder struct{}

func (textBuilder) Pause()                      {}
func (textBuilder) Null() string                { return "null" }
func (textBuilder) Bool(b bool) string          { return strconv.FormatBool(b) }
func (textBuilder) Int(n int64) string          { return fmt.Sprintf("int %d", n) }
func (textBuilder) BigInt(digits string) string { return "big " + digits }
func (textBuilder) Float(f float64) string      { return fmt.Sprintf("float %v", f) }
func (textBuilder) String(s string) string      { return strconv.Quote(s) }
func (textBuilder) Array(elems []string) string { return "[" + strings.Join(elems, ", ") + "]" }
func (textBuilder) Object(keys, values []string) string {
	members := slices.Clone(values)
	for i := range members {
		members[i] = keys[i] + ": " + values[i]
	}
	return "{" + strings.Join(members, ", ") + "}"
}

func TestDecodeBuildsValuesInOrder(t *testing.T) {
	t.Parallel()
	f := func(src, want string) {
		t.Helper()
		if got, err := body.Decode[string]([]byte(src), textBuilder{}); err != nil || got != want {
			t.Errorf("%s:\n got %s, %v\nwant %s", src, got, err, want)
		}
	}
	f(` null `, `null`)
	f(`[true,false]`, `[true, false]`)
	f(`[]`, `[]`)
	f(`{}`, `{}`)
	f(`{"z":1,"a":{"y":[{}, [ ]],"b":"x"},"m":null}`, `{z: int 1, a: {y: [{}, []], b: "x"}, m: null}`)
	f(` { "a" : [ 1 , 2 ] , "b" : 3 } `, `{a: [int 1, int 2], b: int 3}`)
	f(`"\ud83d\ude00\n\ud800"`, `"😀\n�"`)
	f("\"\xff\"", `"�"`)
	f(`["\n","a","\t","b"]`, `["\n", "a", "\t", "b"]`)

	f(`0`, `int 0`)
	f(`-0`, `int 0`)
	f(`-12`, `int -12`)
	f(`9223372036854775807`, `int 9223372036854775807`)
	f(`-9223372036854775808`, `int -9223372036854775808`)
	f(`9223372036854775808`, `big 9223372036854775808`)
	f(`-9223372036854775809`, `big -9223372036854775809`)
	f(strings.Repeat("7", 4096), "big "+strings.Repeat("7", 4096))
	f(`1.0`, `float 1`)
	f(`-0.0`, `float -0`)
	f(`1e2`, `float 100`)
	f(`1E2`, `float 100`)
	f(`1.7976931348623157e308`, `float 1.7976931348623157e+308`)
	f(`1e-400`, `float 0`)
	f(`1e400`, `float 1.7976931348623157e+308`)
	f(`-1e400`, `float -1.7976931348623157e+308`)

	// The last of duplicates stands where the first came.
	f(`{"a":1,"b":2,"a":{"a":3,"c":4,"a":5}}`, `{a: {a: int 5, c: int 4}, b: int 2}`)
	f(`{"a":1,"\u0061":2}`, `{a: int 2}`)
	var src, want []string
	for i := range 100 {
		src = append(src, fmt.Sprintf(`"k%d":%d`, i, -i))
		want = append(want, fmt.Sprintf(`k%d: int %d`, i, i))
	}
	for i := range 100 {
		src = append(src, fmt.Sprintf(`"k%d":%d`, i, i))
	}
	f("{"+strings.Join(src, ",")+"}", "{"+strings.Join(want, ", ")+"}")
	f(strings.Repeat("[", 256)+strings.Repeat("]", 256), strings.Repeat("[", 256)+strings.Repeat("]", 256))
}

func TestDecodeRefuses(t *testing.T) {
	t.Parallel()
	f := func(src, want string) {
		t.Helper()
		got, err := body.Decode[string]([]byte(src), textBuilder{})
		if err == nil || err.Error() != want || got != "" {
			t.Errorf("%.40s: got %q, %v, want %s", src, got, err, want)
		}
	}
	f(``, `offset 0: expected a value, found end of input`)
	f(`{"a":1,}`, `offset 7: expected a key in double quotes, found '}'`)
	f(`[`+strings.Repeat("7", 4097)+`]`, `offset 1: expected an integer of at most 4096 digits`)
	f(`-`+strings.Repeat("7", 100_000), `offset 0: expected an integer of at most 4096 digits`)
	f(strings.Repeat("[", 257)+strings.Repeat("]", 257), `offset 256: nested deeper than 256`)
}

func TestTheBuilderOwnsTheElements(t *testing.T) {
	t.Parallel()
	got, err := body.Decode[any]([]byte(`[[1,2],[],[3]]`), goBuilder{})
	if err != nil {
		t.Fatal(err)
	}
	lists := got.([]any)
	first := lists[0].([]any)
	_ = append(first[:1], "x")
	if fmt.Sprint(lists) != "[[1 x] [] [3]]" || lists[1].([]any) == nil {
		t.Errorf("got %v", lists)
	}
}

func TestDecodeAllocatesForValuesOnly(t *testing.T) {
	f := func(src string, want float64) {
		t.Helper()
		if n := testing.AllocsPerRun(100, func() { _, _ = body.Decode[int]([]byte(src), countBuilder{}) }); n > want {
			t.Errorf("%s: %v allocations, want at most %v", src, n, want)
		}
	}
	f(`[1,2.5,true,null,[],[],12345678901234]`, 6)
	f(`"a"`, 1)
	f(`"\n plain after an escape"`, 3)
}

// countBuilder makes nothing: it counts values.
type countBuilder struct{}

func (countBuilder) Pause()            {}
func (countBuilder) Null() int         { return 1 }
func (countBuilder) Bool(bool) int     { return 1 }
func (countBuilder) Int(int64) int     { return 1 }
func (countBuilder) BigInt(string) int { return 1 }
func (countBuilder) Float(float64) int { return 1 }
func (countBuilder) String(string) int { return 1 }
func (countBuilder) Array(elems []int) int {
	n := 1
	for _, e := range elems {
		n += e
	}
	return n
}
func (b countBuilder) Object(_ []string, values []int) int { return b.Array(values) }

func FuzzDecode(f *testing.F) {
	f.Add(claudeBody(1_000))
	f.Add([]byte(`{"a":[1,-2.5e+3,"\ud83d\ude00\n",true,false,null,{}],"a":"\u0061","b":123456789012345678901234567890}`))
	f.Add([]byte(`[-0,-0.0,0e0,1e308,1e309,9223372036854775807,9223372036854775808,"\udc00\ud800"]`))
	f.Add([]byte("{\"\xff\":\"\xf0\x9f\",\"\xfe\":1}"))
	f.Fuzz(func(t *testing.T, src []byte) {
		before := bytes.Clone(src)
		got, err := body.Decode[any](src, goBuilder{})
		want, ok := oracle(src)
		if (err == nil) != ok {
			t.Fatalf("got %v, want accepted %v", err, ok)
		}
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("got %#v, want %#v", got, want)
		}
		if !bytes.Equal(src, before) {
			t.Fatal("the source was written to")
		}
	})
}

// oracle decodes src by encoding/json; false if Decode must refuse it.
func oracle(src []byte) (any, bool) {
	if !json.Valid(src) || depth(src) > body.MaxDepth {
		return nil, false
	}
	decoder := json.NewDecoder(bytes.NewReader(src))
	decoder.UseNumber()
	var v any
	if decoder.Decode(&v) != nil {
		return nil, false
	}
	// A number that is refused is refused even where a later duplicate hides it.
	for decoder := json.NewDecoder(bytes.NewReader(src)); ; {
		decoder.UseNumber()
		token, err := decoder.Token()
		if err != nil {
			break
		}
		if n, is := token.(json.Number); is {
			if _, ok := number(n); !ok {
				return nil, false
			}
		}
	}
	return numbers(v), true
}

// numbers makes of every json.Number what Decode must make of it.
func numbers(v any) any {
	switch v := v.(type) {
	case json.Number:
		n, _ := number(v)
		return n
	case []any:
		for i := range v {
			v[i] = numbers(v[i])
		}
	case map[string]any:
		for k := range v {
			v[k] = numbers(v[k])
		}
	}
	return v
}

func number(n json.Number) (any, bool) {
	if strings.ContainsAny(n.String(), ".eE") {
		f, _ := n.Float64()
		return max(-math.MaxFloat64, min(f, math.MaxFloat64)), true
	}
	i, _ := new(big.Int).SetString(n.String(), 10)
	if i.IsInt64() {
		return i.Int64(), true
	}
	return bigInt(n.String()), len(n) <= 4096
}
