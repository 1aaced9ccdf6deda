package starlark

import (
	"errors"
	"fmt"
	"math"
	"math/bits"
	"strings"

	sky "go.starlark.net/starlark"
	"go.starlark.net/syntax"
)

// builtin is a function of the language that is made here.
type builtin = func(*sky.Thread, *sky.Builtin, sky.Tuple, []sky.Tuple) (sky.Value, error)

// payName is the name of what pays 1<<n bytes.
func payName(n int) string { return fmt.Sprintf("$2^%d", n) }

// maxPay is the largest n of payName: a file is not large enough for more.
const maxPay = 30

// operators adds what guard puts in place of operators.
func operators(scope sky.StringDict) {
	for op, cost := range costs {
		scope["$"+op.String()] = sky.NewBuiltin(op.String(), operator(op, cost))
	}
	scope["$%"] = sky.NewBuiltin("%", percent)
	for name, f := range map[string]builtin{"$+=": extendBy, "$|=": unionWith, "$in": in, "$[:]": cut, "$[::]": cutBySteps, "$*args": splat, "$**args": splatNamed} {
		scope[name] = sky.NewBuiltin(name, f)
	}
	for n := range maxPay + 1 {
		scope[payName(n)] = sky.NewBuiltin(payName(n), pay(1<<n))
	}
}

// cost is how many bytes the result of an operator takes.
type cost func(r *runner, x, y sky.Value) (int64, error)

// makes charges what an operator makes of x and y: a text, a list, or another value of so many bytes.
func (r *runner) makes(x, y sky.Value, bytes int64) error {
	if _, ok := x.(sky.Int); ok { // 2 * x
		x = y
	}
	switch x.(type) {
	case sky.String, sky.Bytes:
		return r.makeText(bytes, bytes)
	case *sky.List, sky.Tuple:
		if err := r.allocate(bytes); err != nil {
			return err
		}
		return bounded(int(bytes-listBytes) / slotBytes)
	}
	return r.allocate(bytes)
}

var costs = map[syntax.Token]cost{
	syntax.PLUS: plusCost, syntax.MINUS: setsCost, syntax.STAR: timesCost, syntax.LTLT: shiftCost,
	syntax.PIPE: setsCost, syntax.AMP: setsCost, syntax.CIRCUMFLEX: setsCost,
}

func operator(op syntax.Token, of cost) builtin {
	return func(thread *sky.Thread, _ *sky.Builtin, args sky.Tuple, _ []sky.Tuple) (sky.Value, error) {
		x, y, r := args[0], args[1], runnerOf(thread)
		bytes, err := of(r, x, y)
		if err == nil && bytes > 0 {
			err = r.makes(x, y, bytes)
		}
		if err != nil {
			return nil, err
		}
		z := r.long(op, x, y)
		if z == nil {
			z, err = r.binary(op, x, y)
		}
		if err != nil {
			return nil, err
		}
		return r.narrow(z)
	}
}

func plusCost(_ *runner, x, y sky.Value) (int64, error) {
	switch x := x.(type) {
	case sky.String:
		if y, ok := y.(sky.String); ok {
			return int64(len(x)) + int64(len(y)) + slotBytes, nil
		}
	case sky.Bytes:
		if y, ok := y.(sky.Bytes); ok {
			return int64(len(x)) + int64(len(y)) + slotBytes, nil
		}
	case *sky.List:
		if y, ok := y.(*sky.List); ok {
			return listBytes + slotBytes*int64(x.Len()+y.Len()), nil
		}
	case sky.Tuple:
		if y, ok := y.(sky.Tuple); ok {
			return listBytes + slotBytes*int64(len(x)+len(y)), nil
		}
	}
	return 0, nil
}

// setsCost is that of -, |, & and ^ of sets and dicts.
func setsCost(r *runner, x, y sky.Value) (int64, error) {
	n := 0
	switch x := x.(type) {
	case *sky.Set:
		n = x.Len()
	case *sky.Dict:
		n = x.Len()
	default:
		return 0, nil
	}
	n += max(0, sky.Len(y))
	return dictBytes + entryBytes*int64(n), r.spend(int64(n))
}

func timesCost(_ *runner, x, y sky.Value) (int64, error) {
	if _, ok := x.(sky.Int); ok {
		x, y = y, x
	}
	times, ok := y.(sky.Int)
	if !ok {
		return 0, nil
	}
	n, ok := times.Int64()
	if x, ok := x.(sky.Int); ok {
		return int64(width(x)+width(times)) / 8 &^ 15, nil
	}
	size, each, head := 0, 1, int64(slotBytes)
	switch x := x.(type) {
	case sky.String:
		size = len(x)
	case sky.Bytes:
		size = len(x)
	case *sky.List:
		size, each, head = x.Len(), slotBytes, listBytes
	case sky.Tuple:
		size, each, head = len(x), slotBytes, listBytes
	}
	if !ok || n <= 0 || size == 0 {
		return 0, nil // nothing, or more than the interpreter repeats
	}
	hi, lo := bits.Mul64(uint64(size*each), uint64(n))
	if hi != 0 || lo > math.MaxInt32 {
		return math.MaxInt32, nil
	}
	return int64(lo) + head, nil
}

func shiftCost(*runner, sky.Value, sky.Value) (int64, error) { return 0, nil }

// percent is x % y: the remainder, or a formatted text.
func percent(thread *sky.Thread, _ *sky.Builtin, args sky.Tuple, _ []sky.Tuple) (sky.Value, error) {
	x, y, r := args[0], args[1], runnerOf(thread)
	format, ok := x.(sky.String)
	if !ok {
		return sky.Binary(syntax.PERCENT, x, y)
	}
	if err := r.payDirectives(string(format), "%"); err != nil {
		return nil, err
	}
	bytes, err := r.formattedSize(string(format), y)
	if err == nil {
		err = r.makeText(bytes, 2*bytes) // the text grows as it is made
	}
	if err != nil {
		return nil, err
	}
	if bytes > longWritten {
		return r.formatLong(string(format), y, bytes)
	}
	if text, ok := formatPlain(string(format), y); ok {
		return text, nil
	}
	return sky.Binary(syntax.PERCENT, x, y)
}

// formattedSize is about how many bytes format % y takes. A key of a mapping can stand in it many times.
func (r *runner) formattedSize(format string, y sky.Value) (int64, error) {
	size, quoted := int64(len(format))+slotBytes, strings.Contains(format, "%r")
	switch y := y.(type) {
	case sky.Tuple:
		n, err := r.textSizes(y, quoted)
		return size + n, err
	case sky.IterableMapping:
		return r.mappingCost(format, size, y)
	}
	n, err := r.textSize(y, quoted)
	return size + n, err
}

// extendBy is what x += y pays before the interpreter does it. It returns y.
func extendBy(thread *sky.Thread, _ *sky.Builtin, args sky.Tuple, _ []sky.Tuple) (sky.Value, error) {
	x, y, r := args[0], args[1], runnerOf(thread)
	if x, ok := x.(*sky.List); ok {
		return y, r.lengthen(x, y)
	}
	if x, ok := x.(sky.Int); ok {
		if _, err := r.narrow(x); err != nil {
			return nil, err
		}
		if y, ok := y.(sky.Int); ok {
			_, err := r.narrow(y)
			return y, err
		}
		return y, nil
	}
	bytes, err := plusCost(r, x, y)
	if err == nil && bytes > 0 {
		err = r.makes(x, y, bytes)
	}
	if err != nil {
		return nil, err
	}
	if z := r.joined(x, y); z != nil {
		return sum{z}, nil
	}
	return y, nil
}

// lengthen pays for adding the elements of y, if it has any, to a list.
func (r *runner) lengthen(x *sky.List, y sky.Value) error {
	n, err := r.count(y)
	if err != nil || n <= 0 {
		return err
	}
	if err := r.work(n, longBytes); err != nil {
		return err
	}
	return bounded(x.Len() + n)
}

// unionWith is what x |= y pays before the interpreter does it. It returns what is left to be done with.
func unionWith(thread *sky.Thread, _ *sky.Builtin, args sky.Tuple, _ []sky.Tuple) (sky.Value, error) {
	r := runnerOf(thread)
	x, y := args[0], args[1]
	bytes, err := setsCost(r, x, y)
	if err == nil && bytes > 0 {
		err = r.allocate(bytes)
	}
	if err != nil {
		return nil, err
	}
	switch x := x.(type) {
	case *sky.Set:
		z, err := r.binary(syntax.PIPE, x, y)
		return sum{z}, err
	case *sky.Dict:
		if y, ok := y.(*sky.Dict); ok && x.Len()+y.Len() > fewKeys {
			return r.added(x, y)
		}
	}
	return y, nil
}

// nothing is what is left of a dict that has been added to another.
var nothing = new(sky.Dict)

// added is what is left of y in x |= y once it has been added to x: nothing, unless the interpreter is to refuse it.
func (r *runner) added(x, y *sky.Dict) (sky.Value, error) {
	var over *namelessError
	switch err := r.addAll(x, y); {
	case err == nil:
		return nothing, nil
	case errors.As(err, &over):
		return nil, err
	}
	return y, nil
}

// in is x in y. Each element of a list is compared.
func in(thread *sky.Thread, _ *sky.Builtin, args sky.Tuple, _ []sky.Tuple) (sky.Value, error) {
	x, y, r := args[0], args[1], runnerOf(thread)
	switch y.(type) {
	case *sky.List, sky.Tuple:
		if err := r.payCompares(x, y); err != nil {
			return nil, err
		}
	case sky.String, sky.Bytes:
		if err := r.spend(int64(sky.Len(y)) / 128); err != nil {
			return nil, err
		}
	default:
		if _, err := hashed(x); err != nil {
			return nil, err
		}
	}
	return sky.Binary(syntax.IN, x, y)
}

// payCompares pays for comparing x with each element of a list.
func (r *runner) payCompares(x, list sky.Value) error {
	each, err := weigh(x, compareDepth)
	if n := int64(sky.Len(list)) * each; err == nil && n > slice/4 {
		err = r.spend(n / 2)
	}
	return err
}

// cut pays for x[lo:hi] and returns x. Of a text and a tuple nothing is copied.
func cut(thread *sky.Thread, _ *sky.Builtin, args sky.Tuple, _ []sky.Tuple) (sky.Value, error) {
	bytes := int64(slotBytes)
	l, ok := args[0].(*sky.List)
	if ok {
		bytes = listBytes + slotBytes*int64(l.Len())
	}
	r := runnerOf(thread)
	err := r.allocate(bytes)
	if ok && l.Len() > longList {
		return sliced{l, r}, err
	}
	return args[0], err
}

// cutBySteps pays for x[lo:hi:step] and returns x. The interpreter lets the result grow element by element.
func cutBySteps(thread *sky.Thread, _ *sky.Builtin, args sky.Tuple, _ []sky.Tuple) (sky.Value, error) {
	switch x := args[0].(type) {
	case *sky.List, sky.Tuple:
		return x, runnerOf(thread).work(sky.Len(x), growBytes)
	case sky.String:
		r := runnerOf(thread)
		if len(x) > longText {
			return slicedText{x, string(x), r}, r.copyText(len(x), 1)
		}
		return x, r.copyText(len(x), 5)
	case sky.Bytes:
		return x, runnerOf(thread).copyText(len(x), 5)
	}
	return args[0], nil
}

// maxArgs bounds the arguments of a call, which one step copies several times.
const maxArgs = 1 << 14

// splat pays for *x among the arguments of a call, and for the tuple that the function gets, and returns x.
func splat(thread *sky.Thread, _ *sky.Builtin, args sky.Tuple, _ []sky.Tuple) (sky.Value, error) {
	r := runnerOf(thread)
	n, err := r.count(args[0])
	if err == nil && n > maxArgs {
		err = fmt.Errorf("a call of %d arguments, want at most %d", n, maxArgs)
	}
	if err != nil || n <= 0 {
		return args[0], err
	}
	return args[0], r.work(n, longBytes+slotBytes)
}

// maxName bounds a name that is looked up among others, in bytes.
const maxName = 256

// splatNamed pays for **x among the arguments of a call, and for the dict that the function gets, and returns x.
func splatNamed(thread *sky.Thread, _ *sky.Builtin, args sky.Tuple, _ []sky.Tuple) (sky.Value, error) {
	m, ok := args[0].(sky.IterableMapping)
	if !ok {
		return args[0], nil
	}
	n := max(0, sky.Len(m))
	if err := runnerOf(thread).work(n, 9*slotBytes+entryBytes); err != nil {
		return nil, err
	}
	if n > maxParams {
		return nil, fmt.Errorf("%d arguments by name, want at most %d", n, maxParams)
	}
	for _, item := range m.Items() {
		if name, ok := item[0].(sky.String); ok && len(name) > maxName {
			return nil, fmt.Errorf("an argument's name of %d bytes, want at most %d", len(name), maxName)
		}
	}
	return m, nil
}

// pay is true, so that "pay() and x" is x.
func pay(bytes int64) builtin {
	return func(thread *sky.Thread, _ *sky.Builtin, _ sky.Tuple, _ []sky.Tuple) (sky.Value, error) {
		return sky.True, runnerOf(thread).allocate(bytes)
	}
}
