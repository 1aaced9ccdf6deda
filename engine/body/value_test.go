package body_test

import (
	"testing"
	"unicode/utf8"

	"sluice/engine/body"
)

// value is the one value of src.
func value(t *testing.T, src string) body.Value {
	t.Helper()
	top, err := body.Scan([]byte(src))
	if err != nil {
		t.Fatalf("%s: %v", src, err)
	}
	return top.Value()
}

func TestAKindHasTheNameThatScriptsUse(t *testing.T) {
	t.Parallel()
	f := func(src, want string) {
		t.Helper()
		if got := value(t, src).Kind().String(); got != want {
			t.Errorf("%s is %q, want %q", src, got, want)
		}
	}
	f(`null`, "null")
	f(`true`, "bool")
	f(`false`, "bool")
	f(`-1`, "number")
	f(`0.5`, "number")
	f(`""`, "string")
	f(`[]`, "list")
	f(`{}`, "object")
	if got := (body.Value{}).Kind(); got != body.Absent || got.String() != "" {
		t.Errorf("the zero value is %d %q", got, got)
	}
}

func TestTextUnescapes(t *testing.T) {
	t.Parallel()
	f := func(src, want string) {
		t.Helper()
		if got, ok := value(t, src).Text(); got != want || !ok {
			t.Errorf("%s is %q, %v, want %q", src, got, ok, want)
		}
	}
	f(`""`, "")
	f(`"plain 日本"`, "plain 日本")
	f(`"\"\\\/\b\f\n\r\t"`, "\"\\/\b\f\n\r\t")
	f(`"a\u00e9\u0000b"`, "aé\x00b")
	f(`"\ud83d\uDE00"`, "😀")
	f(`"\ud83d"`, "\ufffd")
	f(`"\ude00\ud83d"`, "\ufffd\ufffd")
	f(`"\ud83dx\ude00"`, "\ufffdx\ufffd")
	f(`"\ud83d\u0041"`, "\ufffdA")
	f(`"\ud83d\ud83d\ude00"`, "\ufffd😀")
	f("\"a\xffb\xe6\x97\"", "a\ufffdb\ufffd\ufffd")
	f("\"\\n\xff\"", "\n\ufffd")
	if got, ok := value(t, `1`).Text(); got != "" || ok {
		t.Errorf("the text of 1 is %q, %v", got, ok)
	}
	if got, ok := (body.Value{}).Text(); got != "" || ok {
		t.Errorf("the text of nothing is %q, %v", got, ok)
	}
}

func TestNumbersAreReadOnlyIfTheyFit(t *testing.T) {
	t.Parallel()
	ints := func(src string, want int64, wantOK bool) {
		t.Helper()
		if got, ok := value(t, src).Int(); ok != wantOK || ok && got != want {
			t.Errorf("%s is %d, %v, want %d, %v", src, got, ok, want, wantOK)
		}
	}
	ints(`32000`, 32000, true)
	ints(`-0`, 0, true)
	ints(`3.0`, 3, true)
	ints(`-1.5e1`, -15, true)
	ints(`9223372036854775807`, 9223372036854775807, true)
	ints(`-9223372036854775808`, -9223372036854775808, true)
	ints(`9223372036854775808`, 0, false)
	ints(`9007199254740993.0`, 0, false)
	ints(`1e999`, 0, false)
	ints(`0.5`, 0, false)
	ints(`"1"`, 0, false)
	ints(`null`, 0, false)

	floats := func(src string, want float64, wantOK bool) {
		t.Helper()
		if got, ok := value(t, src).Float(); ok != wantOK || ok && got != want {
			t.Errorf("%s is %v, %v, want %v, %v", src, got, ok, want, wantOK)
		}
	}
	floats(`0.1`, 0.1, true)
	floats(`-1e3`, -1000, true)
	floats(`1e-999`, 0, true)
	floats(`1e999`, 0, false)
	floats(`true`, 0, false)

	bools := func(src string, want, wantOK bool) {
		t.Helper()
		if got, ok := value(t, src).Bool(); got != want || ok != wantOK {
			t.Errorf("%s is %v, %v, want %v, %v", src, got, ok, want, wantOK)
		}
	}
	bools(`true`, true, true)
	bools(`false`, false, true)
	bools(`0`, false, false)
	bools(`"true"`, false, false)
}

func TestElementsAreThoseOfAList(t *testing.T) {
	t.Parallel()
	f := func(src string, want ...string) {
		t.Helper()
		n := 0
		for v := range value(t, src).Elements() {
			if n >= len(want) || string(v.Raw()) != want[n] {
				t.Errorf("%s: element %d is %s, want %q", src, n, v.Raw(), want)
			}
			n++
		}
		if n != len(want) {
			t.Errorf("%s: %d elements, want %q", src, n, want)
		}
	}
	f(`[]`)
	f(`[ 1 , [2,3] ,{"a":[4]},"]" ]`, `1`, `[2,3]`, `{"a":[4]}`, `"]"`)
	f(`{"a":1}`)
	f(`"abc"`)
	for v := range value(t, `[1,2,3]`).Elements() {
		if string(v.Raw()) != "1" {
			t.Errorf("went on to %s", v.Raw())
		}
		break
	}
	for range (body.Value{}).Elements() {
		t.Error("nothing has an element")
	}
	for _, p := range []body.Path{nil, {"a"}} {
		if _, ok := (body.Value{}).Get(p); ok {
			t.Errorf("nothing has something at %q", p)
		}
	}
	var models []string
	for v := range value(t, `[{"params":{"model":"a"}},{"params":{}},{"params":{"model":"b"}}]`).Elements() {
		if m, ok := v.Get(body.Path{"params", "model"}); ok {
			text, _ := m.Text()
			models = append(models, text)
		}
	}
	if len(models) != 2 || models[0] != "a" || models[1] != "b" {
		t.Errorf("models are %q", models)
	}
}

func TestAKeyIsFoundByItsText(t *testing.T) {
	t.Parallel()
	f := func(src, key, want string) {
		t.Helper()
		got, _ := value(t, src).Get(body.Path{key})
		top, _ := body.Scan([]byte(src))
		indexed, _ := top.Get(key)
		if string(got.Raw()) != want || string(indexed.Raw()) != want {
			t.Errorf("%q of %s is %q, and %q by the index, want %q", key, src, got.Raw(), indexed.Raw(), want)
		}
	}
	f(`{"max":1,"max_tokens":2,"ma":3}`, "max_tokens", "2")
	f(`{"max":1,"max_tokens":2,"ma":3}`, "max", "1")
	f(`{"max":1}`, "", "")
	f(`{"":1}`, "", "1")
	f(`{"m\u0061x":1}`, "max", "1")
	f(`{"\u006dax":1}`, "max", "1")
	f(`{"max\u0000":1}`, "max", "")
	f(`{"日本":1,"日":2}`, "日本", "1")
	f(`{"\\n":1,"\n":2}`, `\n`, "1")
	f(`{"\\n":1,"\n":2}`, "\n", "2")
	f("{\"a\xff\":1}", "a\ufffd", "1")
	f("{\"a\xff\":1}", "ab", "")
	f("{\"\xefa\":1}", "\ufffda", "1")
	f("{\"\xef\":1}", "\ufffd", "1")
}

func FuzzKeys(f *testing.F) {
	f.Add(`ab`, `a\u0062`)
	f.Add(`\n`, `\\n`)
	f.Add("a\ufffd", "a\xff")
	f.Add("\ufffda", "\xefa")
	f.Fuzz(func(t *testing.T, key, raw string) {
		top, err := body.Scan([]byte(`{"` + raw + `":1}`))
		if err != nil || top.Value().Kind() != body.Object || !utf8.ValidString(key) {
			return
		}
		want := body.Value{}
		for k, v := range top.Value().Members() {
			if text := value(t, string(k)); text.Kind() == body.String {
				if s, _ := text.Text(); s == key {
					want = v
				}
			}
		}
		if got, _ := top.Get(key); string(got.Raw()) != string(want.Raw()) {
			t.Errorf("%q of {\"%s\":1} is %q, want %q", key, raw, got.Raw(), want.Raw())
		}
	})
}
