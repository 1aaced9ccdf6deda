package main

import (
	"context"
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/urfave/cli/v3"
)

// Set by the linker, as the Makefile does: -X main.version=v1.2.3. Without revision, the commit is what go build noted.
var version, revision = "dev", ""

func versionCommand() *cli.Command {
	return &cli.Command{
		Name:      "version",
		Usage:     "print version, commit and Go version",
		UsageText: usage("sluice version", "sluice version"),
		Action: func(_ context.Context, c *cli.Command) error {
			fmt.Fprintf(c.Root().Writer, "sluice %s, commit %s, %s\n", version, commit(), runtime.Version())
			return nil
		},
	}
}

// commit is the revision the binary was built from, with + where the tree was edited.
func commit() string {
	if revision != "" {
		return revision
	}
	info, _ := debug.ReadBuildInfo()
	revision, edited := "unknown", ""
	if info == nil {
		return revision
	}
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision" && len(s.Value) >= 12:
			revision = s.Value[:12]
		case s.Key == "vcs.modified" && s.Value == "true":
			edited = "+"
		}
	}
	return revision + edited
}
