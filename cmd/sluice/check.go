package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/urfave/cli/v3"

	"sluice/engine"
	"sluice/engine/config"
	"sluice/engine/reload"
	"sluice/runtimes"
)

func checkCommand() *cli.Command {
	return &cli.Command{
		Name:  "check",
		Usage: "check the config and its scripts as serve would load them; silent when all is fine",
		UsageText: usage("sluice check [--config FILE] [--scripts DIR] [-v] [SCRIPT…]",
			"sluice check --config sluice.yaml", "sluice check -v scripts/filters/tier.star"),
		Description: "A SCRIPT is checked by itself, with its test_config or an empty config. The config is checked only where --config names it:\n" +
			"then all that is bound is tried as it is bound, too.",
		Flags:        []cli.Flag{configFlag(), scriptsFlag(), &cli.BoolFlag{Name: "v", Usage: "list what was checked"}},
		ArgValidator: anyArguments,
		Action: func(_ context.Context, c *cli.Command) error {
			var errs []error
			list := lister(c)
			if !c.Args().Present() || c.IsSet("config") {
				errs = append(errs, checkConfig(c, list))
			}
			if c.Args().Present() {
				errs = append(errs, checkScripts(c, c.Args().Slice(), list))
			}
			return errors.Join(errs...)
		},
	}
}

// checkConfig builds everything and throws it away. Without a config it checks all scripts below the scripts root.
func checkConfig(c *cli.Command, list func(path string, tests int)) error {
	name, err := configPath(c)
	if err != nil {
		return err
	}
	if name == "" {
		return checkTree(c, list)
	}
	b := newBuilder(name)
	b.scripts, b.vitals, b.warn = c.String("scripts"), idle{}, func(err error) { printErrors(c.Root().ErrWriter, err) }
	g, err := reload.Once(name, func(in *reload.Input) (*engine.Generation, error) {
		g, err := b.build(in)
		if err == nil {
			for _, v := range in.Scripts.Versions() {
				list(v.Path, v.Tests)
			}
		}
		return g, err
	})
	if err == nil {
		g.Discard()
	}
	return err
}

// idle is a gateway that has seen nothing yet.
type idle struct{}

// Vitals are those of an upstream that nobody asked.
func (idle) Vitals(*engine.Upstream, time.Time) *engine.Vitals {
	return &engine.Vitals{Healthy: true, Breaker: "closed"}
}

// lister prints each script that was found to be fine once, if that was asked for.
func lister(c *cli.Command) func(path string, tests int) {
	told := make(map[string]bool)
	return func(path string, tests int) {
		if c.Bool("v") && !told[path] {
			told[path] = true
			fmt.Fprintf(c.Root().Writer, "%-40s tests passed: %d\n", path, tests)
		}
	}
}

func checkTree(c *cli.Command, list func(path string, tests int)) error {
	root := cmp.Or(c.String("scripts"), "scripts")
	if _, err := os.Stat(root); err != nil && !c.IsSet("scripts") {
		return misuse(c, "no config %q and no folder %q here, want --config FILE or a SCRIPT", defaultConfig, root)
	}
	return checkScripts(c, []string{root}, list)
}

// checkScripts checks scripts by themselves, without a config.
func checkScripts(c *cli.Command, paths []string, list func(path string, tests int)) error {
	root, files, err := sources(c, paths)
	if err != nil {
		return err
	}
	snapshot, err := reload.Scan(root)
	if err != nil {
		return err
	}
	b := newBuilder(".")
	var errs []error
	for _, file := range files {
		if filepath.Ext(file) == ".txtar" {
			continue
		}
		if b.languages[filepath.Ext(file)] == nil {
			return misuse(c, "%q is no script, want a name that ends in .star or .lua", file)
		}
		path, err := pathBelow(root, file)
		if err != nil {
			return err
		}
		got := b.examine(snapshot, path)
		errs = append(errs, joined(got.Errors))
		if len(got.Errors) == 0 {
			list(path, got.Tests)
		}
	}
	return errors.Join(errs...)
}

// examine admits one script by itself: its hooks, a sample call of each and its tests.
func (b *builder) examine(snapshot *reload.Snapshot, path string) *runtimes.Admitted {
	a := runtimes.Admission{Language: b.languages[filepath.Ext(path)], Files: snapshot, Path: path, Budget: aloneBudget(), Suite: aloneSuite,
		Alone: true}
	return a.Admit()
}

// aloneSuite is for the tests of scripts that no gateway waits for.
const aloneSuite = 30 * time.Second

// aloneBudget is for scripts that no config binds: the default, but for the time, since a loaded machine must not make a test fail.
func aloneBudget() engine.Budget {
	b := config.DefaultBudget()
	b.Time, b.TimePerMiB = 5*time.Second, 5*time.Second
	return b
}
