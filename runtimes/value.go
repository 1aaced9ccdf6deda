package runtimes

import (
	"math"

	"sluice/engine"
)

// Kind is what a Value is.
type Kind uint8

// The kinds of values.
const (
	Nil Kind = iota
	Bool
	Int
	Float
	String
	List // Ref is a Lister
	Map  // Ref is a Mapper
	Host // Ref is the receiver that Type's fields and methods take
	Own  // Ref is a value of the language that means nothing here: a function, a big integer …
)

// Value is one value between a script and the gateway, in no particular language. A language lowers its own values to Values when it
// calls a method or returns from a hook, and lifts Values when a field or method gives one. It is passed by value and holds no
// interpreter alive longer than Ref does.
type Value struct {
	Kind Kind
	Type *Type // of a Host
	num  uint64
	Str  string // of a String
	Ref  any
}

// Lister is a list seen from outside: a language's own, or a read-only one of the gateway.
type Lister interface {
	Len() int
	At(i int) Value // 0 <= i < Len()
}

// Mapper is an open map seen from outside.
type Mapper interface {
	Len() int
	Get(key string) (Value, bool)
	// Each calls f for each entry in order until f returns false. A key that is no string has its place taken by bad, the name of its
	// type, and f is not called for it.
	Each(f func(key string, v Value) bool) (bad string)
}

// OfBool returns b as a Value.
func OfBool(b bool) Value {
	v := Value{Kind: Bool}
	if b {
		v.num = 1
	}
	return v
}

// OfInt returns i as a Value.
func OfInt(i int64) Value { return Value{Kind: Int, num: uint64(i)} }

// OfFloat returns f as a Value.
func OfFloat(f float64) Value { return Value{Kind: Float, num: math.Float64bits(f)} }

// OfString returns s as a Value.
func OfString(s string) Value { return Value{Kind: String, Str: s} }

// OfHost returns a host object as a Value.
func OfHost(t *Type, receiver any) Value { return Value{Kind: Host, Type: t, Ref: receiver} }

// OfList returns l as a Value.
func OfList(l Lister) Value { return Value{Kind: List, Ref: l} }

// OfMap returns m as a Value.
func OfMap(m Mapper) Value { return Value{Kind: Map, Ref: m} }

// OfOwn wraps a language's own value.
func OfOwn(v any) Value { return Value{Kind: Own, Ref: v} }

// Bool is the truth of a Bool.
func (v Value) Bool() bool { return v.num != 0 }

// Int is the number of an Int.
func (v Value) Int() int64 { return int64(v.num) }

// Float is the number of a Float.
func (v Value) Float() float64 { return math.Float64frombits(v.num) }

// Number returns an Int or a Float as a float64.
func (v Value) Number() (float64, bool) {
	switch v.Kind {
	case Int:
		return float64(v.Int()), true
	case Float:
		return v.Float(), true
	}
	return 0, false
}

// OfPlain returns a value of claims, labels or config. Objects and lists become read-only views.
func OfPlain(v any) Value {
	switch v := v.(type) {
	case bool:
		return OfBool(v)
	case int64:
		return OfInt(v)
	case float64:
		return OfFloat(v)
	case string:
		return OfString(v)
	case engine.Number:
		return OfOwn(v)
	case []any:
		return OfList(plainList(v))
	case *engine.Object:
		return OfMap((*plainMap)(v))
	}
	return Value{}
}

type plainList []any

func (l plainList) Len() int       { return len(l) }
func (l plainList) At(i int) Value { return OfPlain(l[i]) }

type plainMap engine.Object

func (m *plainMap) Len() int { return (*engine.Object)(m).Len() }

func (m *plainMap) Get(key string) (Value, bool) {
	v, ok := (*engine.Object)(m).Lookup(key)
	return OfPlain(v), ok
}

func (m *plainMap) Each(f func(string, Value) bool) string {
	for k, v := range (*engine.Object)(m).All() {
		if !f(k, OfPlain(v)) {
			break
		}
	}
	return ""
}
