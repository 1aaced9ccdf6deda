package starlark_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"sluice/runtimes/starlark"
)

// TestLongFormatsAreAsTheInterpreters: whatever a long format holds, and whatever it is given, it makes the text, or the error, that the
// interpreter makes of it in one step.
func TestLongFormatsAreAsTheInterpreters(t *testing.T) {
	t.Parallel()
	guarded, plain, random := starlark.New(), starlark.NewUnguarded(), rand.New(rand.NewPCG(1, 2))
	pick := func(from string, n int) (out []string) {
		words := strings.Fields(from)
		for range n {
			out = append(out, words[random.IntN(len(words))])
		}
		return out
	}
	const values = `x [x] 1 1.5 None (x,) {"a":x} "é" b"\xff" set([x]) 65 ctx len`
	for i := range 2000 {
		what, args := "", strings.Join(pick(values, random.IntN(4)), ", ")
		if i%2 == 0 {
			args = []string{"(" + args + ")", "(" + pick(values, 1)[0] + ",)", pick(values, 1)[0], `{"a": x, "b": 1}`}[random.IntN(4)]
			what = fmt.Sprintf("(x + %q) %% %s", strings.Join(pick(`%s %r %d %x %f %g %c %% %(a)s %(b)r %( % a é ( ) %z %(a) %(é)s \`, 1+random.IntN(5)), ""), args)
		} else {
			args = strings.Trim(args+", "+strings.Join(pick("a=x b=[x] a=1,b=x", random.IntN(2)), ", "), ", ")
			what = fmt.Sprintf("(x + %q).format(%s)", strings.Join(pick("{} {0} {1} {a} {b!r} {!r} {!s} {{ }} { } a é {:} {!x} {00} {a.b} {0!r:} {99999999999}", 1+random.IntN(5)), ""), args)
		}
		body := "x = \"é\" * 5000; y = " + what + "; return [len(y), hash(y), y[-60:]]"
		if got, want := outcome(t, guarded, body), outcome(t, plain, body); got != want {
			t.Errorf("%s:\n with guards %s\n without     %s", what, got, want)
		}
	}
}
