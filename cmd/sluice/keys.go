package main

import (
	"context"
	"fmt"

	"github.com/urfave/cli/v3"

	"sluice/engine/config"
	"sluice/engine/keys"
)

func keysCommand() *cli.Command {
	return &cli.Command{
		Name:      "keys",
		Usage:     "make keys for clients",
		UsageText: usage("sluice keys new --principal NAME", "sluice keys new --principal alice"),
		Commands: []*cli.Command{{
			Name:      "new",
			Usage:     "print a new key once, and what the config needs of it",
			UsageText: usage("sluice keys new --principal NAME", "sluice keys new --principal alice"),
			Flags:     []cli.Flag{textFlag("principal", "whose key it is, a `NAME` in the config")},
			Action:    newKey,
		}},
		Action: wantCommand,
	}
}

func newKey(_ context.Context, c *cli.Command) error {
	name := c.String("principal")
	if name == "" {
		return misuse(c, "want --principal NAME")
	}
	if _, err := config.ParseName(name); err != nil {
		return misuse(c, "--principal %q, %v", name, err)
	}
	key, hash := keys.New()
	fmt.Fprintf(c.Root().Writer, `key   %s
hash  %s

Give the key to its owner now: it is not kept. The config gets the hash:

principals:
  - name: %q
    keys: ["%s"]
`, key, hash, name, hash)
	return nil
}
