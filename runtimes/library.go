package runtimes

import (
	"errors"
	"fmt"
	"net/url"
	"strings"

	"sluice/engine/body"

	"github.com/cespare/xxhash/v2"
)

// Libraries are the plain functions of both languages. The one without a name holds what is global by itself.
var Libraries = []Library{
	{Functions: []Method{
		{Name: "log", Params: []Param{{Name: "message", Type: "any"}},
			Doc:  "Writes one line, of at most 1 KiB; ten lines a call are written, the rest is counted.",
			Call: func(c *Call, _ any, args []Value) (Value, error) { return Value{}, c.logValue(args[0]) }},
		{Name: "hash", Params: []Param{{Name: "s", Type: "string"}}, Result: "int",
			Doc:  "A number below 2^53 that is the same for the same text, in every release.",
			Call: libHash},
	}},
	{Name: "json", Doc: "JSON text and values.",
		Values: []Field{{Name: "null", Type: "any", Doc: "null inside a value."}},
		Functions: []Method{
			{Name: "decode", Params: []Param{{Name: "text", Type: "string"}}, Result: "any", Doc: "The value of a JSON text.",
				Call: libDecode},
			{Name: "encode", Params: []Param{{Name: "value", Type: "value"}}, Result: "string", Doc: "The JSON text of a value.",
				Call: libEncode},
			{Name: "replace", Params: []Param{{Name: "p", Type: texts}, pattern[1], {Name: "with", Type: texts}}, Result: "string",
				Doc: "re.replace in each string of the JSON text s, keys as well; all bytes but the matches stay. What stands outside of strings is " +
					"searched as it is: s may be cut, or no JSON at all. Letters, digits and %+-._@ that are escaped as \\u0041 are found at any " +
					"depth, in JSON within strings too. There \\n, \\\", \\u00e9 and the like, and backslashes alone, read as one character, unless p names a " +
					"backslash: no match begins or ends in one. A match that takes a quote may break JSON within strings. Of two lists, each expression is replaced after the one before it.",
				Call: libReplaceJSON},
			{Name: "array", Params: []Param{{Name: "t", Type: "any"}}, Result: "list",
				Doc: "Marks a table to be written as a list, even when it is empty; in Starlark it returns what it is given."},
		}},
	{Name: "re", Doc: "Regular expressions in RE2 syntax.", Functions: []Method{
		{Name: "test", Params: pattern, Result: "bool", Doc: "Whether the expression is found in s.", Call: libTest},
		{Name: "find", Params: pattern, Result: "list of string or nothing",
			Doc: "The first match: the whole, then its groups; nothing where there is none.", Call: libFind},
		{Name: "find_all", Params: pattern, Result: "list of list of string", Doc: "Every match, each as find gives it.",
			Call: libFindAll},
		{Name: "replace", Params: append(pattern[:2:2], Param{Name: "with", Type: "string"}), Result: "string",
			Doc: "s with every match replaced; $1 or ${1} in with is a group, $$ a dollar sign.", Call: libReplace},
	}},
	{Name: "url", Doc: "Parts of an address.", Functions: []Method{
		{Name: "escape", Params: []Param{{Name: "s", Type: "string"}}, Result: "string", Doc: "s as one segment of a path.",
			Call: libEscape},
		{Name: "query", Params: []Param{{Name: "map", Type: "map"}}, Result: "string",
			Doc: "A map as a query, in its order; a list gives its name once for each element.", Call: libQuery},
	}},
}

// texts is the type of one string, or of a list of them.
const texts = "string or list of string"

var pattern = []Param{{Name: "p", Type: "string"}, {Name: "s", Type: "string"}}

// logValue writes a text as it is and shows any other value as JSON.
func (c *Call) logValue(v Value) error {
	if c.lines >= MaxLogLines {
		c.lines++ // it is counted alone
		return nil
	}
	c.log(show(c, v))
	return nil
}

// libHash is XXH64 cut to what both languages hold exactly.
func libHash(c *Call, _ any, args []Value) (Value, error) {
	s := args[0].Str
	return OfInt(int64(xxhash.Sum64String(s) >> 11)), c.spend(len(s) / 256)
}

// sharedText is how long a text is, in bytes, whose pieces are copied: who keeps a piece of a text keeps all of it.
const sharedText = 1 << 10

// Piece is s[from:to]. Where it is less than half of a long text it has memory of its own, of so many bytes, which the caller pays for.
func Piece(s string, from, to int) (piece string, copied int) {
	piece = s[from:to]
	if len(s) <= sharedText || len(piece) >= len(s)/2 {
		return piece, 0
	}
	return strings.Clone(piece), len(piece)
}

var errLongText = fmt.Errorf("the text is longer than %d MiB", MaxText>>20)

func libDecode(c *Call, _ any, args []Value) (Value, error) {
	if len(args[0].Str) > MaxText {
		return Value{}, fmt.Errorf("json.decode: %w", errLongText)
	}
	v, err := c.decodeJSON(bytesIn(args[0].Str))
	if err != nil {
		return Value{}, fmt.Errorf("json.decode: %w", err)
	}
	return v, nil
}

func libEncode(c *Call, _ any, args []Value) (Value, error) {
	b, err := c.encodeJSON(args[0])
	if err != nil {
		return Value{}, fmt.Errorf("json.encode: %w", err)
	}
	return OfString(body.TextOf(b)), nil
}

// libEscape escapes the segments that a server could take for directories as well.
func libEscape(c *Call, _ any, args []Value) (Value, error) {
	s := args[0].Str
	switch {
	case len(s) > MaxText/3:
		return Value{}, errors.New("url.escape: the text is too long")
	case s == ".":
		return OfString("%2E"), nil
	case s == "..":
		return OfString("%2E%2E"), nil
	}
	if err := c.payText(2 * len(s)); err != nil {
		return Value{}, err
	}
	if len(s) <= escapedPiece {
		return OfString(url.PathEscape(s)), nil
	}
	out, err := c.appendEscaped(nil, s, url.PathEscape)
	return OfString(body.TextOf(out)), err
}

func libQuery(c *Call, _ any, args []Value) (Value, error) {
	q, err := writeQuery(c, args[0])
	if err != nil {
		return Value{}, fmt.Errorf("url.query: the map %w", err)
	}
	return OfString(q), nil
}
