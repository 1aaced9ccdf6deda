package starlark

import (
	"fmt"
	"math/big"

	"sluice/engine/body"
	"sluice/runtimes"

	sky "go.starlark.net/starlark"
)

// AppendJSON makes a runner the codec of its call.
func (r *runner) AppendJSON(dst []byte, v runtimes.Value) ([]byte, error) {
	return r.call.AppendJSON(dst, v, nil)
}

// DecodeJSON makes dicts and lists that the script may change. It pays for each as it is made.
func (r *runner) DecodeJSON(src []byte) (v runtimes.Value, err error) {
	defer func() {
		if p := recover(); p != nil {
			end, ok := p.(endOfCall)
			if !ok {
				panic(p)
			}
			v, err = runtimes.Value{}, end.error
		}
	}()
	made, err := body.Decode[sky.Value](src, builder{r})
	if err != nil {
		return runtimes.Value{}, err
	}
	return lower(made), nil
}

// builder makes values of the language. null is None. A budget that runs out ends the decoding by a panic with an endOfCall.
type builder struct{ *runner }

type endOfCall struct{ error }

func (b builder) charge(bytes int64) {
	if err := b.allocate(bytes); err != nil {
		panic(endOfCall{err})
	}
}

// Pause looks at the clock.
func (b builder) Pause() {
	if err := b.tick(); err != nil {
		panic(endOfCall{err})
	}
}

func (builder) Null() sky.Value           { return sky.None }
func (builder) Bool(b bool) sky.Value     { return sky.Bool(b) }
func (builder) Int(n int64) sky.Value     { return sky.MakeInt64(n) }
func (builder) Float(f float64) sky.Value { return sky.Float(f) }

func (b builder) String(s string) sky.Value {
	b.charge(int64(len(s)) + slotBytes)
	return sky.String(s)
}

func (b builder) BigInt(digits string) sky.Value {
	b.charge(int64(len(digits)))
	b.widen(4 * len(digits))
	n, _ := new(big.Int).SetString(digits, 10) // digits are a JSON integer's
	return sky.MakeBigInt(n)
}

func (b builder) Array(elems []sky.Value) sky.Value {
	if len(elems) > maxCount {
		panic(endOfCall{fmt.Errorf("a list has %d elements, want at most %d", len(elems), maxCount)})
	}
	b.charge(listBytes + 2*slotBytes*int64(len(elems)))
	return sky.NewList(elems)
}

// Object makes a dict. Keys that a client chose may all have one hash, so that the clock is looked at.
func (b builder) Object(keys []string, values []sky.Value) sky.Value {
	b.charge(dictBytes + entryBytes*int64(max(0, len(keys)-8)))
	d := sky.NewDict(len(keys))
	left := b.clock.Ahead(lookEvery)
	for i, key := range keys {
		if left--; left == 0 {
			b.Pause()
			left = b.clock.Ahead(lookEvery)
		}
		b.paid += int64(len(key)) + 2*slotBytes
		_ = d.SetKey(sky.String(key), values[i]) // a new dict takes any string
	}
	return d
}

// Nothing is the word for no value.
func (r *runner) Nothing() string { return "None" }
