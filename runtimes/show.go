package runtimes

import (
	"strconv"

	"sluice/engine"
)

// maxQuoted bounds a text of a script's that a message repeats, in bytes.
const maxQuoted = 80

// describe names a value in a message about what a hook returned.
func describe(v Value) string {
	switch v.Kind {
	case Nil:
		return "nothing"
	case String:
		return quote(v.Str)
	case Bool, Int, Float:
		s, err := AppendJSON(nil, v, nil)
		if err != nil { // what JSON has no number for
			s = strconv.AppendFloat(nil, v.Float(), 'g', -1, 64)
		}
		return "the " + TypeName(v) + " " + string(s)
	}
	return describeKind(v)
}

// quote is a text of a script's in a message.
func quote(s string) string { return strconv.Quote(engine.Cut(s, maxQuoted)) }

// maxShown bounds a value in a line of a log or a test, in bytes.
const maxShown = 1 << 10

// show writes a value for a reader: a text as it is, what JSON can hold as JSON, a host value as its type's name.
func show(c *Call, v Value) string {
	if v.Kind == String {
		return v.Str
	}
	return showNested(c, v, 0)
}

func showNested(c *Call, v Value, depth int) string {
	switch {
	case depth > 8:
		return "…"
	case v.Kind == Host:
		return showHost(v)
	case v.Kind == List:
		return showList(c, v.Ref.(Lister), depth)
	case v.Kind == Map:
		return showMap(c, v.Ref.(Mapper), depth)
	}
	b, err := c.encodeJSON(v)
	if err != nil {
		return "<" + TypeName(v) + ">"
	}
	return string(b)
}

func showHost(v Value) string {
	if c, ok := v.Ref.(*Candidate); ok {
		return "<" + v.Type.Name + " " + strconv.Quote(c.Name) + ">"
	}
	return "<" + v.Type.Name + ">"
}

func showList(c *Call, l Lister, depth int) string {
	out := "["
	for i := 0; i < l.Len() && len(out) < maxShown; i++ {
		if i > 0 {
			out += ", "
		}
		out += showNested(c, l.At(i), depth+1)
	}
	return out + "]"
}

func showMap(c *Call, m Mapper, depth int) string {
	out := "{"
	m.Each(func(key string, v Value) bool {
		if len(out) > 1 {
			out += ", "
		}
		out += strconv.Quote(engine.Cut(key, maxShown)) + ": " + showNested(c, v, depth+1)
		return len(out) < maxShown
	})
	return out + "}"
}
