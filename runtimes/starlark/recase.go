package starlark

import (
	"unicode"
	"unicode/utf8"

	"sluice/engine/body"

	sky "go.starlark.net/starlark"
)

// longRecase is how many bytes of a text change their case at once: some 100 us, where it is not ASCII.
const longRecase = 8 << 10

// recasing is what a method makes of a code point that is the first, or stands behind one that has a case.
type recasing func(c rune, first, behindCased bool) rune

// recasings are the methods that change the case of a text.
var recasings = map[string]recasing{
	"lower": func(c rune, _, _ bool) rune { return unicode.ToLower(c) },
	"upper": func(c rune, _, _ bool) rune { return unicode.ToUpper(c) },
	"capitalize": func(c rune, first, _ bool) rune {
		if first {
			return unicode.ToTitle(c)
		}
		return unicode.ToLower(c)
	},
	"title": func(c rune, _, behindCased bool) rune {
		if behindCased {
			return unicode.ToLower(c)
		}
		return unicode.ToTitle(c)
	},
}

// recase makes a method that changes the case of a long text as the interpreter would, piece by piece. A short one is left to that.
func recase(to recasing) func(r *runner, on sky.Value, args sky.Tuple, kwargs []sky.Tuple) (sky.Value, bool, error) {
	return func(r *runner, on sky.Value, args sky.Tuple, kwargs []sky.Tuple) (sky.Value, bool, error) {
		s, ok := on.(sky.String)
		if !ok || len(s) <= longRecase || len(args)+len(kwargs) > 0 {
			return nil, false, nil
		}
		out := make([]byte, 0, len(s))
		next, cased := longRecase, false
		for i, c := range string(s) {
			if i >= next {
				if err := r.tick(); err != nil {
					return nil, true, err
				}
				next = i + longRecase
			}
			c = to(c, i == 0, cased)
			cased = unicode.SimpleFold(c) != c
			out = utf8.AppendRune(out, c)
		}
		return sky.String(body.TextOf(out)), true, nil
	}
}
