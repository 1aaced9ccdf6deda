package starlark

import (
	"fmt"
	"reflect"

	sky "go.starlark.net/starlark"
	"go.starlark.net/syntax"
)

var (
	_ sky.Comparable = (*object)(nil)
	_ sky.Comparable = (*openMap)(nil)
)

// CompareSameType is == and !=: two values of the gateway are equal if they stand for the same thing.
func (o *object) CompareSameType(op syntax.Token, y sky.Value, _ int) (bool, error) {
	other, ok := y.(host)
	return compared(op, o.of.Name, ok && o.of == other.host().of && same(o.receiver, other.host().receiver))
}

// CompareSameType is == and !=.
func (m *openMap) CompareSameType(op syntax.Token, y sky.Value, _ int) (bool, error) {
	other, ok := y.(*openMap)
	return compared(op, m.Type(), ok && same(m.of, other.of))
}

// same reports whether a and b are the same thing.
func same(a, b any) bool { return reflect.TypeOf(a).Comparable() && a == b }

// compared is the result of an operator on two values of a type that has no order.
func compared(op syntax.Token, typeName string, equal bool) (bool, error) {
	switch op {
	case syntax.EQL:
		return equal, nil
	case syntax.NEQ:
		return !equal, nil
	}
	return false, fmt.Errorf("%s %s %s not implemented", typeName, op, typeName)
}
