package runtimes_test

import (
	"encoding/json"
	"testing"

	"sluice/engine"
	"sluice/runtimes"
)

// list and dict are a language's own values, as an adapter shows them.
type (
	list []runtimes.Value
	dict []runtimes.Named
)

func (l list) Len() int                { return len(l) }
func (l list) At(i int) runtimes.Value { return l[i] }

func (d dict) Len() int { return len(d) }

func (d dict) Get(key string) (runtimes.Value, bool) {
	for _, e := range d {
		if e.Name == key {
			return e.Value, true
		}
	}
	return runtimes.Value{}, false
}

func (d dict) Each(f func(string, runtimes.Value) bool) string {
	for _, e := range d {
		if e.Name == badKey {
			return "bool"
		}
		if !f(e.Name, e.Value) {
			break
		}
	}
	return ""
}

// badKey stands for a key that is no string, a bool.
const badKey = "\x00bad"

// either is an empty table of a language that has one form for lists and maps.
type either struct{ dict }

func (either) At(int) runtimes.Value { panic("there is nothing") }

func str(s string) runtimes.Value                   { return runtimes.OfString(s) }
func num(i int64) runtimes.Value                    { return runtimes.OfInt(i) }
func seq(v ...runtimes.Value) runtimes.Value        { return runtimes.OfList(list(v)) }
func obj(e ...runtimes.Named) runtimes.Value        { return runtimes.OfMap(dict(e)) }
func key(k string, v runtimes.Value) runtimes.Named { return runtimes.Named{Name: k, Value: v} }

var nothing runtimes.Value

// parsed is the value of a JSON object in the gateway's own terms.
func parsed(t *testing.T, src string) runtimes.Value {
	t.Helper()
	o, err := runtimes.ParseObject([]byte(src))
	if err != nil {
		t.Fatal(err)
	}
	return runtimes.OfPlain(o)
}

// jsonOf writes a value as JSON; what JSON cannot hold is shown by its type.
func jsonOf(t *testing.T, v runtimes.Value) string {
	t.Helper()
	b, err := runtimes.AppendJSON(nil, v, func(dst []byte, _ any) ([]byte, error) { return append(dst, "own"...), nil })
	if err != nil {
		return "(" + runtimes.TypeName(v) + ")"
	}
	return string(b)
}

// field reads a field of a host value.
func field(t *testing.T, typ *runtimes.Type, receiver any, name string) runtimes.Value {
	t.Helper()
	f, _ := typ.Lookup(name)
	if f == nil {
		t.Fatal(typ.Unknown(name))
	}
	return f.Get(receiver)
}

// call calls a method of a host value.
func call(t *testing.T, c *runtimes.Call, typ *runtimes.Type, receiver any, name string, args ...runtimes.Value) (runtimes.Value, error) {
	t.Helper()
	_, m := typ.Lookup(name)
	if m == nil {
		t.Fatal(typ.Unknown(name))
	}
	bound, err := m.Bind(args, nil)
	if err != nil {
		return nothing, err
	}
	return m.Call(c, receiver, bound)
}

// library finds a function of a library.
func library(t *testing.T, lib, name string) *runtimes.Method {
	t.Helper()
	for i := range runtimes.Libraries {
		l := &runtimes.Libraries[i]
		for j := range l.Functions {
			if l.Name == lib && l.Functions[j].Name == name {
				return &l.Functions[j]
			}
		}
	}
	t.Fatalf("there is no %s.%s", lib, name)
	return nil
}

func TestJSONIsWrittenTheSameWhateverALanguageHoldsItIn(t *testing.T) {
	f := func(v runtimes.Value, want string) {
		t.Helper()
		got, err := runtimes.AppendJSON([]byte("x"), v, nil)
		text := string(got)
		if err != nil {
			if string(got) != "x" {
				t.Errorf("an error left %q, want what was there", got)
			}
			text = "x" + err.Error()
		}
		if text != "x"+want {
			t.Errorf("got %s, want %s", text[1:], want)
		}
	}
	f(nothing, "null")
	f(runtimes.OfBool(true), "true")
	f(num(-5), "-5")
	f(runtimes.OfFloat(2), "2")
	f(runtimes.OfFloat(0.5), "0.5")
	f(str("<\"\n>"), `"<\"\n>"`)
	f(runtimes.OfOwn(engine.Number("12345678901234567890")), "12345678901234567890")
	f(seq(), "[]")
	f(obj(), "{}")
	f(seq(num(1), obj(key("b", nothing), key("a", seq(str("x"))))), `[1,{"b":null,"a":["x"]}]`)
	f(obj(key(badKey, num(1))), "a key is a bool, want a string")
	f(runtimes.OfOwn(1), "a function cannot be written as JSON")
	f(seq(runtimes.OfHost(runtimes.TypeCtx, &runtimes.Call{})), "a ctx cannot be written as JSON")
	deep := seq()
	for range 256 {
		deep = seq(deep)
	}
	f(deep, "the value is nested deeper than 256")
}

func TestWhatIsParsedIsWrittenBack(t *testing.T) {
	const src = `{"b":[1,2.5,true,null,"x",{"z":{},"y":[]}],"a":12345678901234567890}`
	if got := jsonOf(t, parsed(t, src)); got != src {
		t.Errorf("got %s, want %s", got, src)
	}
}

func TestObjectsAreCopiedOutOfAScript(t *testing.T) {
	f := func(v runtimes.Value, want string) {
		t.Helper()
		o, err := runtimes.ToObject(v)
		got := ""
		if err != nil {
			got = err.Error()
		} else {
			got = jsonOf(t, runtimes.OfPlain(o))
		}
		if got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	f(nothing, "{}")
	f(obj(key("a", seq(num(1), nothing, obj(key("b", runtimes.OfBool(false)))))), `{"a":[1,null,{"b":false}]}`)
	f(seq(), "is a list, want a map")
	f(obj(key("f", runtimes.OfOwn(1))), "holds a function, want what JSON can hold")
	f(obj(key(badKey, num(1))), "has a key that is a bool, want a string")
	twice := seq()
	for range 40 {
		twice = seq(twice, twice)
	}
	f(obj(key("a", twice)), "is too large or too deep")
}

func TestARandomSequenceIsFixedByTheSeed(t *testing.T) {
	draw := func(seed uint64) (out [3]float64) {
		c := runtimes.Call{Request: &engine.RequestContext{Seed: seed}}
		for i := range out {
			out[i] = c.Random()
			if out[i] < 0 || out[i] >= 1 {
				t.Errorf("drew %v, want [0,1)", out[i])
			}
		}
		return out
	}
	if draw(7) != draw(7) || draw(7) == draw(8) {
		t.Errorf("seeds 7, 7 and 8 drew %v, %v and %v", draw(7), draw(7), draw(8))
	}
	if want := [3]float64{0.3898297483912715, 0.01678829452815611, 0.9007606806068834}; draw(7) != want {
		t.Errorf("seed 7 drew %v, want %v as in every release", draw(7), want)
	}
}

func TestANearMissIsSuggested(t *testing.T) {
	f := func(misspelt, want string, names ...string) {
		t.Helper()
		if got := runtimes.Suggest(misspelt, names); got != want {
			t.Errorf("%q of %q: got %q, want %q", misspelt, names, got, want)
		}
	}
	f("nmae", ", want name", "id", "name", "kind")
	f("NAME", ", want name", "id", "name", "kind")
	f("xyzzy", ", want id, name", "id", "name")
	f("xyzzy", "", "aaaaaaa", "bbbbbbb", "ccccccc", "ddddddd", "eeeeeee", "fffffff", "ggggggg")
	f("xyzzy", "")
}

func TestTheSampleRequestIsOfTheRealShape(t *testing.T) {
	r := runtimes.SampleRequest()
	var body struct {
		Model     string
		MaxTokens int64 `json:"max_tokens"`
		Stream    bool
		System    []any
		Messages  []any
		Tools     []any
		Metadata  struct {
			UserID string `json:"user_id"`
		}
	}
	if err := json.Unmarshal(r.Body, &body); err != nil {
		t.Fatal(err)
	}
	var user struct {
		SessionID string `json:"session_id"`
	}
	if err := json.Unmarshal([]byte(body.Metadata.UserID), &user); err != nil {
		t.Fatal(err)
	}
	if body.Model != r.Model || body.MaxTokens != r.MaxTokens || body.Stream != r.Stream || user.SessionID != r.SessionID {
		t.Errorf("the sample's body says %+v and %+v, its head %+v", body, user, r)
	}
	if len(body.System) == 0 || len(body.Messages) == 0 || len(body.Tools) == 0 {
		t.Error("the sample's body has no system, messages or tools")
	}
	upstreams := runtimes.SampleUpstreams()
	if len(upstreams) < 2 || string(upstreams[0].ID[:]) >= string(upstreams[1].ID[:]) {
		t.Error("the sample's upstreams are not two, sorted by id")
	}
}
