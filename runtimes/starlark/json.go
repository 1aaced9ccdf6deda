package starlark

import (
	"math/big"

	"sluice/engine/body"
	"sluice/runtimes"

	sky "go.starlark.net/starlark"
)

// AppendJSON makes a runner the codec of its call.
func (*runner) AppendJSON(dst []byte, v runtimes.Value) ([]byte, error) {
	return runtimes.AppendJSON(dst, v, nil)
}

// DecodeJSON makes dicts and lists that the script may change.
func (*runner) DecodeJSON(src []byte) (runtimes.Value, error) {
	v, err := body.Decode[sky.Value](src, builder{})
	if err != nil {
		return runtimes.Value{}, err
	}
	return lower(v), nil
}

// builder makes values of the language. null is None.
type builder struct{}

func (builder) Null() sky.Value           { return sky.None }
func (builder) Bool(b bool) sky.Value     { return sky.Bool(b) }
func (builder) Int(n int64) sky.Value     { return sky.MakeInt64(n) }
func (builder) Float(f float64) sky.Value { return sky.Float(f) }
func (builder) String(s string) sky.Value { return sky.String(s) }

func (builder) BigInt(digits string) sky.Value {
	n, _ := new(big.Int).SetString(digits, 10) // digits are a JSON integer's
	return sky.MakeBigInt(n)
}

func (builder) Array(elems []sky.Value) sky.Value { return sky.NewList(elems) }

func (builder) Object(keys []string, values []sky.Value) sky.Value {
	d := sky.NewDict(len(keys))
	for i, key := range keys {
		_ = d.SetKey(sky.String(key), values[i]) // a new dict takes any string
	}
	return d
}
