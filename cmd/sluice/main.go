// Command sluice is a gateway for the Anthropic API whose policy is a script that you edit while it serves.
//
//	sluice serve --config sluice.yaml
//	sluice check
//
// Each subcommand is a file of its own; build.go turns a config into what serves, for all of them.
package main

import (
	"os"

	"github.com/google/uuid"
)

func main() {
	uuid.EnableRandPool() // of the ids of requests, which are no secret
	os.Exit(run(os.Args, os.Stdout, os.Stderr))
}
