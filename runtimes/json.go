package runtimes

import (
	"fmt"
	"unsafe"

	"sluice/engine"
	"sluice/engine/body"
)

// MaxText bounds, in bytes, what json, re and url take and make.
const MaxText = 32 << 20

// Checked is implemented by a Lister or Mapper that may hold what JSON cannot: a list with holes, keys of two kinds. An error has no
// position.
type Checked interface{ Check() error }

// AppendJSON appends v, as both languages write it. own writes what an Own value refers to; nil knows engine.Number alone. What a language
// has of its own must be a List or a Map through its adapter. An error has no position and leaves dst as it was.
func AppendJSON(dst []byte, v Value, own func(dst []byte, ref any) ([]byte, error)) ([]byte, error) {
	return (*Call)(nil).AppendJSON(dst, v, own)
}

// AppendJSON is AppendJSON that c pays for while the text grows: a value that holds the same list many times over has a long one.
func (c *Call) AppendJSON(dst []byte, v Value, own func(dst []byte, ref any) ([]byte, error)) ([]byte, error) {
	e := jsonWriter{dst: dst, own: own, call: c, paid: len(dst)}
	err := e.write(v, 0)
	if err == nil {
		err = e.pay()
	}
	if err != nil {
		return dst, err
	}
	return e.dst, nil
}

type jsonWriter struct {
	dst  []byte
	own  func(dst []byte, ref any) ([]byte, error)
	call *Call // nil pays nothing
	paid int   // bytes of dst that are paid for
	held int   // lists and maps since then
}

// nodeBytes is about what it takes to walk through a list or a map of the script.
const nodeBytes = 64

// payEvery is how much a text may grow before it is paid for.
const payEvery = 4 << 10

// pay charges what was written since the last time, some of it twice: a slice that grows is copied.
func (e *jsonWriter) pay() error {
	n := len(e.dst) - e.paid
	if e.call == nil || n <= 0 {
		return nil
	}
	held := e.held
	e.paid, e.held = len(e.dst), 0
	if err := e.call.spend(n / 4); err != nil {
		return err
	}
	return e.call.allocate(3*n + nodeBytes*held)
}

var errTooDeep = fmt.Errorf("the value is nested deeper than %d", body.MaxDepth)

// grown looks at how long the text has become.
func (e *jsonWriter) grown() error {
	if len(e.dst) > MaxText {
		return fmt.Errorf("the JSON text is longer than %d MiB", MaxText>>20)
	}
	if len(e.dst)-e.paid >= payEvery {
		return e.pay()
	}
	return nil
}

// longString is from where on a string is paid for while it is written.
const longString = 64 << 10

func (e *jsonWriter) text(s string) (err error) {
	if len(s) <= longString {
		e.dst = body.AppendString(e.call.pieces().Grow(e.dst, len(s)+2), s)
		return nil
	}
	e.dst, err = e.call.pieces().AppendLong(e.dst, s, func(dst []byte) error {
		e.dst = dst
		return e.grown()
	})
	return err
}

func (e *jsonWriter) write(v Value, depth int) (err error) {
	if err := e.grown(); err != nil {
		return err
	}
	switch v.Kind {
	case Nil:
		e.dst = append(e.dst, "null"...)
	case Bool:
		if v.Bool() {
			e.dst = append(e.dst, "true"...)
		} else {
			e.dst = append(e.dst, "false"...)
		}
	case Int:
		e.dst = body.AppendInt(e.dst, v.Int())
	case Float:
		e.dst, err = body.AppendFloat(e.dst, v.Float())
	case String:
		return e.text(v.Str)
	case List, Map:
		return e.collection(v, depth)
	case Own:
		return e.ownValue(v)
	default:
		return fmt.Errorf("%s cannot be written as JSON", describeKind(v))
	}
	return err
}

func (e *jsonWriter) ownValue(v Value) (err error) {
	if n, ok := v.Ref.(engine.Number); ok {
		e.dst = append(e.dst, n...)
		return nil
	}
	if e.own == nil {
		return fmt.Errorf("%s cannot be written as JSON", describeKind(v))
	}
	e.dst, err = e.own(e.dst, v.Ref)
	return err
}

func (e *jsonWriter) collection(v Value, depth int) error {
	if depth == body.MaxDepth {
		return errTooDeep
	}
	e.held++
	if c, ok := v.Ref.(Checked); ok {
		if err := c.Check(); err != nil {
			return err
		}
	}
	if v.Kind == Map {
		return e.object(v.Ref.(Mapper), depth)
	}
	e.dst = append(e.dst, '[')
	for i, l := 0, v.Ref.(Lister); i < l.Len(); i++ {
		if i > 0 {
			e.dst = append(e.dst, ',')
		}
		if err := e.write(l.At(i), depth+1); err != nil {
			return err
		}
	}
	e.dst = append(e.dst, ']')
	return nil
}

func (e *jsonWriter) object(m Mapper, depth int) (err error) {
	e.dst = append(e.dst, '{')
	first := true
	bad := m.Each(func(key string, v Value) bool {
		if !first {
			e.dst = append(e.dst, ',')
		}
		first = false
		if err = e.text(key); err == nil {
			e.dst = append(e.dst, ':')
			err = e.write(v, depth+1)
		}
		return err == nil
	})
	if err == nil && bad != "" {
		err = fmt.Errorf("a key is a %s, want a string", bad)
	}
	e.dst = append(e.dst, '}')
	return err
}

// encodeJSON writes a value of the script.
func (c *Call) encodeJSON(v Value) ([]byte, error) {
	room := make([]byte, 0, 128) // for most events of a stream
	if c.Codec == nil {
		return c.AppendJSON(room, v, nil)
	}
	return c.Codec.AppendJSON(room, v)
}

// bytesIn are the bytes of a text, for who only reads them: a copy of a long one takes long.
func bytesIn(text string) []byte { return unsafe.Slice(unsafe.StringData(text), len(text)) }

// decodeJSON makes a value of the script's own of JSON text. Scalars need no Codec, which pays for what it allocates.
func (c *Call) decodeJSON(src []byte) (Value, error) {
	if err := c.spend(len(src) / 2); err != nil {
		return Value{}, err
	}
	if v, ok := scalar(src); ok {
		return v, nil
	}
	if c.Codec == nil {
		plain, err := parsePlain(src)
		return OfPlain(plain), err
	}
	return c.Codec.DecodeJSON(src)
}

// scalar reads the commonest JSON without a Codec: a short integer.
func scalar(src []byte) (Value, bool) {
	if len(src) == 0 || len(src) > 18 {
		return Value{}, false
	}
	n, i := int64(0), 0
	if src[0] == '-' {
		i = 1
	}
	if i == len(src) || src[i] == '0' && len(src) > i+1 {
		return Value{}, false
	}
	for _, c := range src[i:] {
		if c < '0' || c > '9' {
			return Value{}, false
		}
		n = n*10 + int64(c-'0')
	}
	if i == 1 {
		n = -n
	}
	return OfInt(n), true
}

// bytesOf takes a text as it is and encodes any other value.
func (c *Call) bytesOf(v Value) ([]byte, error) {
	if v.Kind == String {
		return []byte(v.Str), c.allocate(len(v.Str))
	}
	return c.encodeJSON(v)
}
