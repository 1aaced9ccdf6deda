package conformance_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path"
	"strings"
	"testing"

	"sluice/engine"
	"sluice/runtimes"
)

// twin is a hook of a bundled script.
type twin struct{ script, hook string }

var bundledScripts = os.DirFS("../../scripts")

func twins(t testing.TB) []twin {
	t.Helper()
	var out []twin
	paths, err := fs.Glob(bundledScripts, "*s/*.star")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	for _, name := range paths {
		m, err := languages()[0].Load(bundledScripts, name, nil, engine.Budget{})
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range m.Functions() {
			of := twin{strings.TrimSuffix(name, path.Ext(name)), f.Name}
			if _, ok := runtimes.FindHook(f.Name); ok {
				out = append(out, of)
			}
		}
	}
	return out
}

// outcome is what a script made of a case: its result, or the class of its error. known is false where the case makes no sense.
func outcome(t testing.TB, lang runtimes.Language, text string) (what string, known bool) {
	t.Helper()
	f, err := runtimes.ParseFixture("generated", []byte(text))
	if err != nil {
		t.Fatalf("%v in:\n%s", err, text)
	}
	result, known, err := f.Result(lang, bundledScripts)
	if err == nil || !known {
		return result, known
	}
	var output *engine.OutputError
	var dialect *engine.DialectError
	var script *engine.ScriptError
	class := "an error"
	if errors.As(err, &output) {
		class = fmt.Sprintf("invalid output: %s", output.Variant)
	} else if errors.As(err, &dialect) {
		class = fmt.Sprintf("dialect: %s", dialect.Variant)
	}
	if errors.As(err, &script) {
		class += fmt.Sprintf(", budget %q, panic %v", script.Budget, script.Trap)
	}
	return class, true
}

// differ tells how the twins differ, "" = they do not.
func differ(t testing.TB, text string) (how string, known bool) {
	t.Helper()
	var said []string
	for _, lang := range languages() {
		what, ok := outcome(t, lang, text)
		if !ok {
			return "", false
		}
		said = append(said, what)
	}
	if said[0] != said[1] {
		return fmt.Sprintf(".star: %s\n.lua:  %s", said[0], said[1]), true
	}
	return "", true
}

// compareTwins makes up one case and fails with the smallest fixture that shows a difference.
func compareTwins(t testing.TB, c chance, of twin) (known bool) {
	t.Helper()
	config, input := c.config(of.script), c.input(of.hook)
	write := func(v any) string {
		both := v.(map[string]any)
		return fixtureText(of.hook, of.script, both["config"], both["input"])
	}
	// By way of JSON, so that what is cut is made of the same few types.
	plain, err := json.Marshal(map[string]any{"config": config, "input": input})
	if err != nil {
		t.Fatal(err)
	}
	var whole any
	if err := json.Unmarshal(plain, &whole); err != nil {
		t.Fatal(err)
	}
	how, known := differ(t, write(whole))
	if how == "" {
		return known
	}
	least := shrink(whole, func(v any) bool {
		both, ok := v.(map[string]any)
		if !ok || both["config"] == nil || both["input"] == nil {
			return false
		}
		how, _ := differ(t, write(v))
		return how != ""
	})
	how, _ = differ(t, write(least))
	t.Errorf("the twins of %s differ in %s\n%s\nin\n%s", of.script, of.hook, how, write(least))
	return true
}

// shrink cuts what it can from a value for which bad holds, such that it still does.
func shrink(v any, bad func(any) bool) any {
	for tries := 0; tries < 200; tries++ {
		smaller := false
		for _, next := range cuts(v) {
			if bad(next) {
				v, smaller = next, true
				break
			}
		}
		if !smaller {
			break
		}
	}
	return v
}

// cuts are the values that are one cut smaller than v.
func cuts(v any) (out []any) {
	switch v := v.(type) {
	case string:
		var document map[string]any
		if json.Unmarshal([]byte(v), &document) == nil {
			for _, next := range cuts(document) {
				text, _ := json.Marshal(next)
				out = append(out, string(text))
			}
		}
		if len(v) > 0 {
			out = append(out, "", v[:len(v)/2], v[len(v)/2:])
		}
	case []any:
		for i := range v {
			out = append(out, append(append([]any{}, v[:i]...), v[i+1:]...))
		}
		for i := range v {
			for _, next := range cuts(v[i]) {
				changed := append([]any{}, v...)
				changed[i] = next
				out = append(out, changed)
			}
		}
	case map[string]any:
		keys := sortedKeys(v)
		with := func(key string, value any, gone bool) map[string]any {
			changed := map[string]any{}
			for _, k := range keys {
				if k != key {
					changed[k] = v[k]
				} else if !gone {
					changed[k] = value
				}
			}
			return changed
		}
		for _, key := range keys {
			out = append(out, with(key, nil, true))
		}
		for _, key := range keys {
			for _, next := range cuts(v[key]) {
				out = append(out, with(key, next, false))
			}
		}
	}
	return out
}

// Bundled twins decide alike, whatever they are asked. A difference is printed as a fixture for testdata/scripts/bundled.
func TestTwinsDecideAlike(t *testing.T) {
	const cases = 60
	for i, of := range twins(t) {
		t.Run(of.script+" "+of.hook, func(t *testing.T) {
			t.Parallel()
			c, known := chance{rand.New(rand.NewPCG(uint64(i), 5))}, 0
			for range cases {
				if compareTwins(t, c, of) {
					known++
				}
				if t.Failed() {
					return
				}
			}
			if known < cases/2 {
				t.Errorf("%d of %d cases made sense", known, cases)
			}
		})
	}
}

func FuzzTwins(f *testing.F) {
	all := twins(f)
	for i := range all {
		r := rand.New(rand.NewPCG(uint64(i), 6))
		data := make([]byte, 600)
		for j := range data {
			data[j] = byte(r.IntN(256))
		}
		f.Add(uint16(i), data)
	}
	f.Fuzz(func(t *testing.T, which uint16, data []byte) {
		compareTwins(t, chance{rand.New(&tape{left: data})}, all[int(which)%len(all)])
	})
}
