package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"regexp"
	"strings"
	"syscall"

	"github.com/urfave/cli/v3"

	"sluice/runtimes"
)

// Exit codes of all commands.
const (
	exitFine  = 0
	exitWrong = 1 // the thing asked about is wrong
	exitUsage = 2
)

// errReported ends a command with exitWrong when everything there is to say was printed.
var errReported = errors.New("reported")

// usageError is a command line that cannot be obeyed.
type usageError struct{ command, text string }

// Error is "sluice: COMMAND: " and the text.
func (e usageError) Error() string { return strings.Replace(e.command, " ", ": ", 1) + ": " + e.text }

func misuse(c *cli.Command, format string, args ...any) error {
	return usageError{c.FullName(), fmt.Sprintf(format, args...)}
}

// Rules of output: what was asked for goes to stdout, everything else to stderr. Errors are "sluice: " and one lower-case sentence
// without a period, or FILE:LINE:COLUMN and the sentence where they have a place. Nothing is coloured unless stderr is a terminal.
func run(args []string, stdout, stderr io.Writer) int {
	out := &output{to: stdout}
	err := app(out, stderr).Run(context.Background(), args)
	if err == nil {
		err = out.failed
	}
	var usage usageError
	switch {
	case err == nil:
		return exitFine
	case errors.Is(err, errReported):
		return exitWrong
	case errors.As(err, &usage):
		fmt.Fprintf(stderr, "%v\nsluice: see: %s --help\n", usage, usage.command)
		return exitUsage
	}
	printErrors(stderr, err)
	return exitWrong
}

// output is stdout. A command whose words did not get there has failed, however little it looks at that itself.
type output struct {
	to     io.Writer
	failed error // the first time, nil = all was written
}

func (o *output) Write(p []byte) (int, error) {
	n, err := o.to.Write(p)
	if o.failed == nil && !errors.Is(err, syscall.EPIPE) { // who closed a pipe wanted no more
		o.failed = err
	}
	return n, err
}

// untilSignal is a context that ends with the first signal to end, for commands that have something to bring to its end. The second one
// ends the process at once, unless somebody waits for it; so does the first one where nobody asked for this.
func untilSignal() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	go func() {
		<-signals
		signal.Stop(signals)
		cancel()
	}()
	return ctx
}

const rootHelp = `sluice - {{.Usage}}

{{.UsageText}}

COMMANDS:{{template "visibleCommandTemplate" .}}

Each takes --help, which shows an example.
`

func app(stdout, stderr io.Writer) *cli.Command {
	cli.ShowCommandHelp = showCommandHelp // the library's own has a code and words for an unknown command that are not ours
	root := &cli.Command{
		Name:  "sluice",
		Usage: "a gateway for the Anthropic API whose policy is a script that you edit while it serves",
		UsageText: "sluice serve                        the demo, with simulated upstreams\n" +
			"sluice serve --config sluice.yaml   your own",
		CustomRootCommandHelpTemplate:   rootHelp,
		HideHelpCommand:                 true,
		HideVersion:                     true,
		EnableShellCompletion:           true,
		ConfigureShellCompletionCommand: completionCommand,
		Writer:                          stdout,
		ErrWriter:                       stderr,
		ExitErrHandler:                  func(context.Context, *cli.Command, error) {}, // run prints and chooses the code
		ArgValidator:                    noArguments,
		Action:                          func(_ context.Context, c *cli.Command) error { return cli.ShowAppHelp(c) },
		Commands: []*cli.Command{
			serveCommand(), checkCommand(), testCommand(), previewCommand(), explainCommand(), replayCommand(), experimentCommand(), simulateCommand(), keysCommand(), healthCommand(),
			versionCommand(), helpCommand(),
		},
	}
	onUsageError(root)
	return root
}

func onUsageError(c *cli.Command) {
	c.OnUsageError = badUsage
	for _, sub := range c.Commands {
		onUsageError(sub)
	}
}

// badUsage tells what is wrong with a flag.
func badUsage(_ context.Context, c *cli.Command, err error, _ bool) error {
	if c.Args().Present() && len(c.VisibleCommands()) > 0 {
		return unknownCommand(c, c.Args().First()) // which would have had the flag
	}
	if name, ok := strings.CutPrefix(err.Error(), "flag provided but not defined: -"); ok {
		if c.Command(name) != nil {
			return misuse(c, "unknown flag %s, want the command %s", dashed(name), name)
		}
		return misuse(c, "unknown flag %s%s", dashed(name), runtimes.Suggest(dashed(name), flagNames(c)))
	}
	if name, ok := strings.CutPrefix(err.Error(), "flag needs an argument: "); ok {
		return misuse(c, "%s has no value", name)
	}
	if bad := badValue.FindStringSubmatch(err.Error()); bad != nil {
		return misuse(c, "%s %s: %s", dashed(bad[2]), bad[1], wantedOf(c, bad[2], bad[3]))
	}
	return misuse(c, "%v", err)
}

// badValue is how the library tells of a value that is none: the value, the flag and why.
var badValue = regexp.MustCompile(`(?s)^invalid value (".*") for flag -(\S+): (.*)$`)

// wantedOf says what a flag takes, or why it did not take what it got.
func wantedOf(c *cli.Command, name, why string) string {
	for _, f := range c.Flags {
		if f.Names()[0] != name {
			continue
		}
		switch f.(type) {
		case *cli.DurationFlag:
			return "want a duration such as 500ms, 2s or 1m"
		case *cli.IntFlag:
			return "want a whole number"
		}
	}
	return why
}

func flagNames(c *cli.Command) []string {
	var names []string
	for _, f := range c.VisibleFlags() {
		if name := f.Names()[0]; name != "help" {
			names = append(names, dashed(name))
		}
	}
	return names
}

func dashed(name string) string {
	if len(name) == 1 {
		return "-" + name
	}
	return "--" + name
}

// noArguments refuses what a command has no use for.
func noArguments(_ context.Context, c *cli.Command) error {
	switch arg := c.Args().First(); {
	case !c.Args().Present():
		return nil
	case len(c.VisibleCommands()) > 0:
		return unknownCommand(c, arg)
	default:
		return misuse(c, "unexpected argument %q", arg)
	}
}

func anyArguments(context.Context, *cli.Command) error { return nil }

func unknownCommand(c *cli.Command, name string) error {
	return misuse(c, "unknown command %q%s", name, runtimes.Suggest(name, commandNames(c)))
}

// wantCommand is the action of a command that only groups others.
func wantCommand(_ context.Context, c *cli.Command) error {
	return misuse(c, "want a command: %s", strings.Join(commandNames(c), ", "))
}

func commandNames(c *cli.Command) []string {
	var names []string
	for _, sub := range c.VisibleCommands() {
		names = append(names, sub.Name)
	}
	return names
}

// showCommandHelp shows the help of the command of that name below c. Where c has none below, the name is an argument of c itself.
func showCommandHelp(ctx context.Context, c *cli.Command, name string) error {
	switch {
	case c.Command(name) != nil:
		return cli.DefaultShowCommandHelp(ctx, c, name)
	case len(c.VisibleCommands()) > 0:
		return unknownCommand(c, name)
	}
	return cli.DefaultShowCommandHelp(ctx, c.Lineage()[1], c.Name)
}

// helpCommand is for those who type "sluice help check".
func helpCommand() *cli.Command {
	return &cli.Command{Name: "help", Hidden: true, ArgValidator: anyArguments, Action: func(ctx context.Context, c *cli.Command) error {
		at := c.Root()
		show := func() error { return cli.ShowAppHelp(at) }
		for _, name := range c.Args().Slice() {
			above := at
			if at = above.Command(name); at == nil {
				return unknownCommand(above, name)
			}
			show = func() error { return cli.ShowCommandHelp(ctx, above, name) }
		}
		return show()
	}}
}

// usage is the usage text of a command, with examples that work where the files they name are there.
func usage(synopsis string, examples ...string) string {
	return synopsis + "\n\nExamples:\n  " + strings.Join(examples, "\n  ")
}

// textFlag is a flag whose value is not empty. The placeholder stands between backquotes in usage.
func textFlag(name, usage string) *cli.StringFlag {
	return &cli.StringFlag{Name: name, Usage: usage, Validator: func(value string) error {
		if value == "" {
			return errors.New("want a value")
		}
		return nil
	}}
}

// isTerminal reports whether w is a terminal.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
