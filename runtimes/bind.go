package runtimes

import (
	"fmt"
	"math"

	"sluice/engine"
)

// Named is an argument that was given by name.
type Named struct {
	Name  string
	Value Value
}

// Bind puts arguments into the order of m's parameters and checks their types: Call takes the result. It may write into the spare
// capacity of positional, and returns it as it is where nothing had to be filled in. An error has no position.
func (m *Method) Bind(positional []Value, named []Named) ([]Value, error) {
	if len(positional) > len(m.Params) {
		return nil, m.tooMany(len(positional))
	}
	args, given := positional, len(positional)
	for len(args) < len(m.Params) {
		args = append(args, Value{})
	}
	has := uint64(1)<<given - 1 // bit i: parameter i was given
	var more namedMap
	for _, n := range named {
		i := m.param(n.Name)
		switch {
		case i < 0 && m.Keywords:
			more = append(more, n)
		case i < 0:
			return nil, fmt.Errorf("%s: unknown argument %s%s", m.Name, quote(n.Name), Suggest(n.Name, m.paramNames()))
		case has&(1<<i) != 0:
			return nil, fmt.Errorf("%s: argument %q is given twice", m.Name, n.Name)
		default:
			args[i], has = n.Value, has|1<<i
		}
	}
	for i := range m.Params {
		if err := m.check(i, args[i], has&(1<<i) != 0); err != nil {
			return nil, err
		}
	}
	switch {
	case m.Keywords && more != nil:
		args = append(args, OfMap(more))
	case m.Keywords:
		args = append(args, Value{})
	}
	return args, nil
}

// BindTrailing is Bind for a language without named arguments: a map in the last place is them. Where a parameter stands in that place
// that takes a map itself, it is them only if all its keys are fields of what the method makes.
func (m *Method) BindTrailing(positional []Value) ([]Value, error) {
	last := len(positional) - 1
	if last < 0 || positional[last].Kind != Map ||
		last < len(m.Params) && m.Params[last].takesMap() && !m.Makes.builtFrom(positional[last].Ref.(Mapper)) {
		return m.Bind(positional, nil)
	}
	var named []Named
	if bad := positional[last].Ref.(Mapper).Each(func(key string, v Value) bool {
		named = append(named, Named{key, v})
		return true
	}); bad != "" {
		return nil, fmt.Errorf("%s: an argument's name is a %s, want a string", m.Name, bad)
	}
	return m.Bind(positional[:last:last], named)
}

func (m *Method) check(i int, v Value, given bool) error {
	p := &m.Params[i]
	switch {
	case v.Kind != Nil:
		if !p.takes(v) {
			return fmt.Errorf("%s: %s is %s, want %s", m.Name, p.Name, describeKind(v), withArticle(p.Type))
		}
	case p.Optional || given && (p.Type == "any" || p.Type == "value"):
	case given:
		return fmt.Errorf("%s: %s is nothing, want %s", m.Name, p.Name, withArticle(p.Type))
	default:
		return fmt.Errorf("%s: missing argument %q", m.Name, p.Name)
	}
	return nil
}

func (p *Param) takes(v Value) bool {
	switch p.Type {
	case "string":
		return v.Kind == String
	case texts:
		_, isList := asList(v)
		return v.Kind == String || isList
	case "bool":
		return v.Kind == Bool
	case "number":
		return TypeName(v) == "number"
	case "int":
		_, ok := wholeNumber(v)
		return ok
	case "map":
		return v.Kind == Map
	case "function":
		return TypeName(v) == "function"
	}
	return true
}

func (p *Param) takesMap() bool { return p.Type == "any" || p.Type == "value" || p.Type == "map" }

func (m *Method) param(name string) int {
	for i := range m.Params {
		if m.Params[i].Name == name {
			return i
		}
	}
	return -1
}

func (m *Method) paramNames() []string {
	names := make([]string, len(m.Params))
	for i := range m.Params {
		names[i] = m.Params[i].Name
	}
	return names
}

func (m *Method) tooMany(given int) error {
	switch len(m.Params) {
	case 0:
		return fmt.Errorf("%s takes no arguments, got %d", m.Name, given)
	case 1:
		return fmt.Errorf("%s takes at most 1 argument, got %d", m.Name, given)
	}
	return fmt.Errorf("%s takes at most %d arguments, got %d", m.Name, len(m.Params), given)
}

// namedMap are arguments by name, seen as a map.
type namedMap []Named

func (m namedMap) Len() int { return len(m) }

func (m namedMap) Get(key string) (Value, bool) {
	for _, n := range m {
		if n.Name == key {
			return n.Value, true
		}
	}
	return Value{}, false
}

func (m namedMap) Each(f func(string, Value) bool) string {
	for _, n := range m {
		if !f(n.Name, n.Value) {
			break
		}
	}
	return ""
}

// wholeNumber returns an Int, or a Float that has no fraction and that an int64 holds exactly.
func wholeNumber(v Value) (int64, bool) {
	switch v.Kind {
	case Int:
		return v.Int(), true
	case Float:
		f := v.Float()
		return int64(f), f == math.Trunc(f) && math.Abs(f) <= 1<<53
	}
	return 0, false
}

// typeNamer is implemented by what an Own value refers to, where it is no function.
type typeNamer interface{ TypeName() string }

// TypeName is the word for a value's type that both languages share: nothing, bool, number, string, list, map, function, or a host
// type's own name. An Own value is a function unless it is an engine.Number or has a method TypeName() string.
func TypeName(v Value) string {
	switch v.Kind {
	case Nil:
		return "nothing"
	case Bool:
		return "bool"
	case Int, Float:
		return "number"
	case String:
		return "string"
	case List:
		return "list"
	case Map:
		return "map"
	case Host:
		return v.Type.Name
	}
	switch own := v.Ref.(type) {
	case engine.Number:
		return "number"
	case typeNamer:
		return own.TypeName()
	}
	return "function"
}

// describeKind is the type of a value with its article, for a message.
func describeKind(v Value) string {
	if v.Kind == Nil {
		return "nothing"
	}
	return withArticle(TypeName(v))
}

func withArticle(word string) string {
	switch word {
	case "int":
		return "a whole number"
	case "any", "value":
		return "a value"
	}
	if word != "" {
		switch word[0] {
		case 'a', 'e', 'i', 'o', 'u':
			return "an " + word
		}
	}
	return "a " + word
}
