package config_test

import (
	"errors"
	"fmt"
	"os"
	"regexp"
	"sort"
	"strings"
	"testing"

	"sluice/engine/config"
)

func TestAllProblemsAreReportedInTheOrderOfTheFile(t *testing.T) {
	t.Parallel()
	refuses(t)(`
principals:
  - name: alice
    upstreams: [team-kye]
    keys: ["sk-sluice-planted"]
strategy: prioirty
upstreams:
  - name: team-key
    kind: anthropic_direct
    signer: {type: anthropic_key, key: "${UNSET}", ttl: 1}
experiments: x
listn: x
`,
		`4:17: upstreams: unknown upstream "team-kye", want team-key`,
		`5:12: keys: 17 bytes that do not begin with "sha256:", want the hash that "sluice keys new" prints, not the key`,
		`6:11: strategy "prioirty": want priority`,
		`10:40: key: environment variable "UNSET" is not set`,
		`10:52: unknown key "ttl", want type or key`,
		"11:14: experiments: want a list, got a single value",
		`12:1: unknown key "listn", want listen`)
}

func TestAProblemCanBeTakenApart(t *testing.T) {
	t.Parallel()
	_, err := config.Parse("dir/x.yaml", []byte(minimal+"seed: x"), testEnv)
	var problems config.Errors
	if !errors.As(err, &problems) || len(problems) != 1 {
		t.Fatalf("Parse: %v, want one problem", err)
	}
	want := config.Error{
		File: "dir/x.yaml", Pos: config.Pos{Line: 3, Column: 7}, Message: `seed "x": want a whole number from 1 to 4611686018427387904`,
	}
	if problems[0] != want {
		t.Errorf("problem = %+v, want %+v", problems[0], want)
	}
}

func TestASyntaxErrorIsFoundInALongFile(t *testing.T) {
	t.Parallel()
	const entry = "  - name: some-upstream-or-other\n    kind: anthropic_direct\n"
	before, after := "upstreams:\n"+strings.Repeat(entry, 300), strings.Repeat(entry, 300)
	refuses(t)(before+"   kind: custom\n"+after,
		`602:4: wrong indentation, want "- " and the next item, or the indentation of the lines above`)
	// The end of the file is too far away to look back line by line: the YAML parser's own line is as good as it gets.
	refuses(t)(before+"  - name: \"x\n"+after, `602:11: a quoted text that is not closed, want its closing quote`)
}

func TestNestingIsBounded(t *testing.T) {
	t.Parallel()
	nested := func(n int) string {
		return minimal + "filters: [{script: x.star, config: {a: " + strings.Repeat("[", n) + strings.Repeat("]", n) + "}}]"
	}
	parse(t, nested(250))
	_, err := config.Parse("f", []byte(nested(300)), testEnv)
	if err == nil || !strings.HasSuffix(err.Error(), ": nested deeper than 256") || strings.Contains(err.Error(), "\n") {
		t.Errorf("Parse: %v, want nested deeper than 256", err)
	}
	if _, err := config.Parse("f", []byte("a: "+strings.Repeat("[", 100_000)), testEnv); err == nil {
		t.Error("a file of brackets was accepted")
	}
}

func TestAFileIsReadOnceHoweverOftenItIsNamed(t *testing.T) {
	t.Parallel()
	reads := 0
	env := config.Env{Var: testEnv.Var, File: func(string) ([]byte, error) {
		reads++
		return []byte(fmt.Sprint("content", reads)), nil
	}}
	c, err := config.Parse("f", []byte(minimal+`filters: [{script: x.star, config: {a: "${file:p}", b: "${file:p}"}}]`), env)
	if err != nil || reads != 1 {
		t.Fatalf("%d reads, %v, want 1", reads, err)
	}
	if b, _ := c.Filters[0].Config.Lookup("b"); b != "content1" {
		t.Errorf("b = %q, want content1", b)
	}
}

// No input makes Parse panic, every problem has its place in the file, and no planted secret comes out.
func FuzzParse(f *testing.F) {
	example, err := os.ReadFile("../../sluice.yaml")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(example)
	f.Add([]byte(minimal))
	for _, seed := range []string{
		"", "a: [b", "a: \"b", "\t", "a:\n\t- b", "%YAML 1.1\n---\n", "&a [*a]", "? {a: b}\n: c", "<<: {a: b}", "a: |\n  b\n c",
		"--- a\n--- b", "listen: ${TYPO}", "admin: {token: '${TWO_LINES}${file:/run/secret}'}",
		"upstreams: [{name: '${UP}', id: '${UP}'}, {name: '${UP}'}]",
		minimal + "filters: [{script: '${TYPO}', config: {a: {b: [1, 2.5, null, 0x1]}}}]",
		minimal + "timeouts: {idle: 1d5s}\nlimits: {body: 1KiB}",
		minUpstreams + "principals: [{name: p, upstreams: ['${UP}', upp], models: ['*'], keys: [{hash: '${TYPO}', expires: 2027-01-01}]}]",
	} {
		f.Add([]byte(seed))
	}
	line := regexp.MustCompile(`^sluice\.yaml:[1-9][0-9]*:[1-9][0-9]*: .`)
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := config.Parse("sluice.yaml", data, testEnv)
		if err == nil {
			if len(c.Upstreams) == 0 || len(c.Principals) == 0 {
				t.Errorf("%q was accepted without upstreams or principals", data)
			}
			return
		}
		var problems config.Errors
		if !errors.As(err, &problems) || c != nil {
			t.Fatalf("%q: config %v, error %T", data, c, err)
		}
		for _, p := range problems {
			if !line.MatchString(p.Error()) || strings.ContainsAny(p.Error(), "\n\r") {
				t.Errorf("%q: %q has no place, or more than one line", data, p)
			}
			if strings.Contains(p.Error(), "planted") && !strings.Contains(string(data), "planted") {
				t.Errorf("%q: %q repeats what was put in", data, p)
			}
		}
		if !sort.SliceIsSorted(problems, func(i, j int) bool { return problems[i].Pos.Line < problems[j].Pos.Line }) {
			t.Errorf("%q: problems out of order: %v", data, err)
		}
	})
}
