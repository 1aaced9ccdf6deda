package starlark_test

import (
	"testing"

	"sluice/engine"
	"sluice/engine/turn"
	"sluice/runtimes/starlark"
)

// Where each insertion into a table takes long, since all its keys have one hash, others run after a few of them.
func TestInsertionsThatTakeLongLetOthersRun(t *testing.T) {
	const least = 8
	for _, make := range []string{"set([i << 32 for i in range(800)])", "dict([(i << 32, i) for i in range(800)])"} {
		before := turn.Taken()
		err := attack("def filter(ctx, principal, candidates):\n    "+make+"\n    return candidates\n", engine.Budget{})
		if n := turn.Taken() - before; err != nil || n < least {
			t.Errorf("%s: %v, others ran %d times, want at least %d", make, err, n, least)
		}
	}
}

// turnsOf is how often others run within a call of a filter, without the script's top level.
func turnsOf(t *testing.T, script string) (int64, error) {
	t.Helper()
	ups := upstreams(2)
	m := manifest(files{"s.star": script}, ups)
	m.Budget = engine.Budget{}
	f, err := starlark.New().InstantiateFilter(m)
	if err != nil {
		t.Fatal(err)
	}
	before := turn.Taken()
	_, err = f.Filter(request(), principal(), candidates(ups))
	return turn.Taken() - before, err
}

// Where an operation on tables takes long, for the same reason, others run within it.
func TestOperationsOnTablesThatTakeLongLetOthersRun(t *testing.T) {
	const least = 1
	const tables = `
A, B = set([i << 32 for i in range(400)]), set([i << 32 for i in range(400, 800)])
BACK = [i << 32 for i in reversed(range(400))]
D, E = {key: 1 for key in A}, {key: 1 for key in B}
def filter(ctx, principal, candidates):
    `
	for _, operation := range []string{
		"A | B", "A & B", "A - B", "A ^ B", "D | E", "s = A; s |= B", "d = {}; d |= D", "A.union(B)", "A.union()", "A.intersection(B)", "A.difference(B)",
		"A.symmetric_difference(B)", "A.issubset(BACK)", "A.issuperset(BACK)", "getattr(A, 'union')(B)", "set().update(A)",
	} {
		if n, err := turnsOf(t, tables+operation+"\n    return candidates\n"); err != nil || n < least {
			t.Errorf("%s: %v, others ran %d times, want at least %d", operation, err, n, least)
		}
	}
}

// Where a step makes a long text of another one, others run after each piece.
func TestALongTextChangesItsCaseInTurns(t *testing.T) {
	const least = 20
	for _, name := range []string{"upper", "lower", "title", "capitalize"} {
		before := turn.Taken()
		err := attack("def filter(ctx, principal, candidates):\n    (\"aé\" * 1000000)."+name+"()\n    return candidates\n", engine.Budget{})
		if n := turn.Taken() - before; err != nil || n < least {
			t.Errorf("%s: %v, others ran %d times, want at least %d", name, err, n, least)
		}
	}
}

// Where a step has to walk over its arguments to know how long they are, others run within the walk.
func TestAWalkOverATextLetsOthersRun(t *testing.T) {
	const walks, least = 10, 30
	before := turn.Taken()
	err := attack("def filter(ctx, principal, candidates):\n    zip(*[(\"x\" * 100000).codepoints()] * 10)\n    return candidates\n", engine.Budget{})
	if n := turn.Taken() - before; err != nil || n < least {
		t.Errorf("%d walks: %v, others ran %d times, want at least %d", walks, err, n, least)
	}
}

// What works on a long text or many elements in one step lets others run within it.
func TestStepsThatTakeLongLetOthersRun(t *testing.T) {
	const least = 1
	const values = `
A, E, SPACES = "a" * 8000000, "é" * 1000000, " " * 2000000
TEXTS, POINTS = [A[:4000000]] * 2, E[:100000].codepoints()
WIDE = (1 << 500) * (1 << 500) * (1 << 500) * (1 << 500)
def filter(ctx, principal, candidates):
    `
	for _, operation := range []string{
		"E.strip('é')", "E.lstrip('é')", "E.rstrip('é')", "SPACES.strip()", "A.replace('aa', 'b')", "A.replace('', 'b', 200000)", "A.count('aa')", "A.count('')",
		"'-'.join(TEXTS)", "A[::-1]", "'%s' % A", "(A + '%d') % 7", "repr(A)", "str([SPACES] * 2)", "'%r' % A", "'%f' * 4000 % ((1e308,) * 4000)", "'{!r}'.format(A)", "str(bytes(E))", "str([WIDE] * 2000)", "list(POINTS)", "tuple(POINTS)", "sorted(POINTS)",
	} {
		if n, err := turnsOf(t, values+operation+"\n    return candidates\n"); err != nil || n < least {
			t.Errorf("%s: %v, others ran %d times, want at least %d", operation, err, n, least)
		}
	}
}
