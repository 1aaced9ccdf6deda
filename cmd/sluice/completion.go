package main

import (
	"context"
	"embed"
	"slices"

	"github.com/urfave/cli/v3"
)

// The library's script for bash asks for a package of its own, and the one for fish completes no files.
//
//go:embed completion
var completionScripts embed.FS

// completionCommand makes the library's command that prints completion scripts one of ours.
func completionCommand(c *cli.Command) {
	c.Hidden = false
	c.Usage = "print a shell's completion script"
	c.UsageText = usage("sluice completion bash|zsh|fish",
		"source <(sluice completion bash)", "sluice completion fish > ~/.config/fish/completions/sluice.fish")
	c.Description = ""
	c.Action = wantCommand
	c.Commands = slices.DeleteFunc(c.Commands, func(shell *cli.Command) bool { return shell.Name == "pwsh" }) // nothing runs on Windows
	for _, shell := range c.Commands {
		shell.Usage = "print the script for " + shell.Name
		if script, err := completionScripts.ReadFile("completion/sluice." + shell.Name); err == nil {
			shell.Action = func(_ context.Context, c *cli.Command) error {
				_, err := c.Root().Writer.Write(script)
				return err
			}
		}
	}
	onUsageError(c)
}
