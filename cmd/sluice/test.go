package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/urfave/cli/v3"

	"sluice/engine"
	"sluice/engine/reload"
	"sluice/runtimes"
)

func testCommand() *cli.Command {
	return &cli.Command{
		Name:  "test",
		Usage: "run the test_ functions of scripts, and fixtures (*.txtar) in both languages where twins exist",
		UsageText: usage("sluice test [--scripts DIR] [-run RE] [-v] [PATH…]",
			"sluice test", "sluice test scripts/filters/tier.lua", "sluice test -v -run 'keeps' scripts testdata/scripts"),
		Flags: []cli.Flag{scriptsFlag(),
			&cli.StringFlag{Name: "run", Usage: "only tests and fixtures whose name matches `RE`"},
			&cli.BoolFlag{Name: "v", Usage: "list every test"},
		},
		ArgValidator: anyArguments,
		Action:       runTests,
	}
}

// testRun is one run of the command.
type testRun struct {
	out      io.Writer
	verbose  bool
	match    *regexp.Regexp
	builder  *builder
	scripts  *reload.Snapshot
	root     string
	ran, bad int
}

func runTests(_ context.Context, c *cli.Command) error {
	match, err := regexp.Compile(c.String("run"))
	if err != nil {
		return misuse(c, "-run: %v", err)
	}
	paths := c.Args().Slice()
	if len(paths) == 0 {
		paths = []string{cmp.Or(c.String("scripts"), configuredRoot(c), "scripts")}
	}
	root, files, err := sources(c, paths)
	if err != nil {
		return err
	}
	t := &testRun{out: c.Root().Writer, verbose: c.Bool("v"), match: match, builder: newBuilder("."), root: root}
	if t.scripts, err = scan(root); err != nil {
		return err
	}
	for _, f := range files {
		if err := t.file(f); err != nil {
			return err
		}
	}
	fmt.Fprintf(t.out, "%d passed, %d failed\n", t.ran-t.bad, t.bad)
	if t.bad > 0 {
		return errReported
	}
	return nil
}

// scan reads the scripts root. There need be none: fixtures may carry their scripts themselves.
func scan(root string) (*reload.Snapshot, error) {
	if _, err := os.Stat(root); err != nil {
		return reload.NewSnapshot(nil), nil
	}
	return reload.Scan(root)
}

func (t *testRun) file(name string) error {
	if filepath.Ext(name) == ".txtar" {
		return t.fixture(name)
	}
	path, err := pathBelow(t.root, name)
	if err != nil {
		return err
	}
	language := t.builder.languages[filepath.Ext(name)]
	if language == nil {
		return fmt.Errorf("%q is neither a script nor a fixture, want a name that ends in .star, .lua or .txtar", name)
	}
	a := runtimes.Admission{Language: language, Files: t.scripts, Path: path, Budget: aloneBudget(), Suite: aloneSuite}
	err = a.EachTest(t.match.MatchString, func(test string, err error) { t.result(name+" "+test, scriptOwn(err)) })
	if err != nil {
		t.result(name, scriptOwn(err))
	}
	return nil
}

// scriptOwn is the script's error without the words around it.
func scriptOwn(err error) error {
	if found := engine.ScriptErrors(err); len(found) > 0 {
		return found[0]
	}
	return err
}

// fixture runs a fixture in every language that it covers.
func (t *testRun) fixture(name string) error {
	if !t.match.MatchString(name) {
		return nil
	}
	src, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	f, err := runtimes.ParseFixture(name, src)
	if err != nil {
		t.result(name, err)
		return nil
	}
	covered := false
	for _, ext := range slices.Sorted(maps.Keys(t.builder.languages)) {
		if language := t.builder.languages[ext]; f.Covers(language, t.scripts) {
			covered = true
			t.result(name+" "+ext, f.Run(language, t.scripts))
		}
	}
	if !covered {
		t.result(name, fmt.Errorf("no script %s.star or %s.lua below %s", f.Script, f.Script, t.root))
	}
	return nil
}

func (t *testRun) result(name string, err error) {
	t.ran++
	switch {
	case err != nil:
		t.bad++
		fmt.Fprintf(t.out, "FAIL  %s\n      %s\n", name, strings.ReplaceAll(describe(err), "\n", "\n      "))
	case t.verbose:
		fmt.Fprintf(t.out, "ok    %s\n", name)
	}
}
