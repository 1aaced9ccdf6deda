package lua

import (
	"fmt"

	"sluice/engine"
	"sluice/engine/body"
	"sluice/runtimes"

	glua "github.com/yuin/gopher-lua"
)

// DecodeJSON makes a value of the script's own: tables whose keys keep the order of the text, lists that are marked as such.
func (s *state) DecodeJSON(src []byte) (made runtimes.Value, err error) {
	defer s.stopped(&err)
	b := builder{s: s}
	v, err := body.Decode(src, &b)
	if err == nil {
		err = b.err
	}
	if err != nil {
		return runtimes.Value{}, err
	}
	if v == glua.LValue(null) {
		return runtimes.OfOwn(v), nil // lowered, it would be nothing
	}
	return lower(v), nil
}

// elementBytes is what a value adds to the lists that a reader keeps of those around it, in bytes.
const elementBytes = 3 * slotBytes

// builder makes the values of a script. It charges for each before the reader goes on to the next.
type builder struct {
	s   *state
	err error // why a value cannot be made
}

// Pause looks at the clock.
func (b *builder) Pause() {
	if b.s.meter.tick() != nil {
		panic(errStopped)
	}
}

func (b *builder) Null() glua.LValue {
	b.s.work(1, elementBytes)
	return null
}

func (b *builder) Bool(v bool) glua.LValue {
	b.s.work(1, elementBytes)
	return glua.LBool(v)
}

func (b *builder) Int(n int64) glua.LValue {
	b.s.work(1, elementBytes)
	return b.s.liftInt(n)
}

func (b *builder) BigInt(digits string) glua.LValue {
	b.s.work(1, elementBytes+len(digits))
	return b.s.bigInteger(engine.Number(digits))
}

func (b *builder) Float(f float64) glua.LValue {
	b.s.work(4, elementBytes+boxBytes)
	return number(f)
}

func (b *builder) String(v string) glua.LValue {
	b.s.work(1+len(v)/64, elementBytes+boxBytes+len(v))
	return glua.LString(v)
}

func (b *builder) Array(elems []glua.LValue) glua.LValue {
	if len(elems) > maxCount {
		b.err = fmt.Errorf("a list has %d elements, want at most %d", len(elems), maxCount)
		return glua.LNil
	}
	b.s.work(1+len(elems)/16, newTableBytes(2*len(elems), 0)+elementBytes)
	return newList(elems)
}

func (b *builder) Object(keys []string, values []glua.LValue) glua.LValue {
	size := filledBytes(len(keys)) + elementBytes*(1+len(keys))
	for _, key := range keys {
		size += len(key)
	}
	b.s.work(1+len(keys), size)
	boxed := make([]glua.LValue, len(keys))
	for i, key := range keys {
		boxed[i] = b.s.boxedKey(key)
	}
	return newMap(boxed, values)
}

// Bounds of the keys that a state keeps boxed: those of JSON come again and again.
const (
	maxKeys    = 256
	maxKeyText = 32 // bytes
)

// boxedKey is a key of a decoded object as the interpreter holds it.
func (s *state) boxedKey(key string) glua.LValue {
	if v, ok := s.keys[key]; ok {
		return v
	}
	v := glua.LValue(glua.LString(key))
	if len(key) <= maxKeyText && len(s.keys) < maxKeys {
		s.keys[key] = v
	}
	return v
}
