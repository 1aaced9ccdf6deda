package starlark_test

import (
	"fmt"
	"strings"
	"testing"

	"sluice/engine"
)

// A table puts each key into its place again when it grows, in one step, which takes the square of the keys that have one place.
func TestATableOfKeysOfOneHashDoesNotGrow(t *testing.T) {
	const refused, few = "832 keys that have too few hashes", 800
	for _, fill := range []string{
		"d = {}\n    for k in KEYS:\n        d[k] = 1",
		"d = {}\n    for k in KEYS:\n        [d][0][k] = 1",
		"d = {}\n    for k in KEYS:\n        d[k], _ = 1, 2",
		"d = {}\n    for d[KEYS[len(d)]] in KEYS:\n        pass",
		"d = {}\n    for k in KEYS:\n        d.setdefault(k, 1)",
		"d = {}\n    d.update([(k, 1) for k in KEYS])",
		"dict([(k, 1) for k in KEYS])",
		"s = set()\n    for k in KEYS:\n        s.add(k)",
		"set(KEYS)",
		"set().union(KEYS)",
		"set().symmetric_difference(KEYS)",
		"s = set()\n    s.update(KEYS)",
		"set(KEYS[:800]) | set(KEYS[800:])",
		"d = {}\n    d |= dict([(k, 1) for k in KEYS[:800]])\n    d |= dict([(k, 1) for k in KEYS[800:]])",
	} {
		for keys, want := range map[string]string{
			"i << 32":  refused,
			"i << 14":  "", // one place, in which each has a hash of its own
			"i":        "",
			"str(i)":   "",
			"i * 1000": "",
		} {
			script := fmt.Sprintf("KEYS = [%s for i in range(1900)]\n\ndef filter(ctx, principal, candidates):\n    %s\n    return candidates\n", keys, fill)
			err := attack(script, engine.Budget{})
			if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
				t.Errorf("%s of %s: %v, want %q", fill, keys, err, want)
			}
		}
		again := strings.ReplaceAll(fill, "KEYS", fmt.Sprintf("(KEYS[:%d] + KEYS[:%[1]d])", few))
		if err := attack("KEYS = [i << 32 for i in range(800)]\n\ndef filter(ctx, principal, candidates):\n    "+again+"\n    return candidates\n", engine.Budget{}); err != nil &&
			!strings.Contains(fill, "len(d)") {
			t.Errorf("%s of %d keys, twice: %v", fill, few, err)
		}
	}
}

// A full table takes what it has already: it does not grow for that.
func TestAFullTableIsWrittenTo(t *testing.T) {
	const script = `
D = dict([(i << 32, i) for i in range(831)])

def filter(ctx, principal, candidates):
    d = dict(D)
    d[831 << 32] = 831
    for i in range(832):
        d[i << 32] = i + 1
    d[5 << 32] += 1
    s = set(d)
    for key in d:
        s.add(key)
    if len(d) != 832 or len(s) != 832 or d[5 << 32] != 7 or d[831 << 32] != 832:
        fail(len(d), len(s), d[5 << 32])
    return candidates
`
	if err := attack(script, engine.Budget{}); err != nil {
		t.Error(err)
	}
}

// A copy has room for all from the beginning.
func TestACopyOfATableDoesNotGrow(t *testing.T) {
	const script = `
D = {i << 32: i for i in range(1000)}

def filter(ctx, principal, candidates):
    d = D | {}
    if len(dict(D)) != 1000 or len(d) != 1000:
        fail(len(d))
    return candidates
`
	if err := attack(script, engine.Budget{}); err != nil {
		t.Error(err)
	}
}
