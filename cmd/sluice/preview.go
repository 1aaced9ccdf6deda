package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/urfave/cli/v3"

	"sluice/engine/experiment"
	"sluice/engine/promptcache"
	"sluice/engine/reload"
	"sluice/proxy/admin"
)

func previewCommand() *cli.Command {
	return &cli.Command{
		Name:  "preview",
		Usage: "show what the chain would decide for one request, stage by stage, without sending anything",
		UsageText: usage("sluice preview --config FILE --request FILE [--principal NAME] [--arms] [--json]",
			"sluice preview --config sluice.yaml --request request.json --principal alice",
			"sluice preview --config sluice.yaml --request request.json --arms"),
		Flags: []cli.Flag{configFlag(), scriptsFlag(),
			textFlag("request", "`FILE` with a JSON body or a raw HTTP request, - = standard input"),
			textFlag("principal", "who asks, a `NAME` in the config, default: its first"),
			&cli.BoolFlag{Name: "arms", Usage: "also what each arm would decide of the experiments that the request meets"},
			&cli.BoolFlag{Name: "json", Usage: "print JSON"},
		},
		Action: runPreview,
	}
}

func runPreview(_ context.Context, c *cli.Command) error {
	name, err := configPath(c)
	switch {
	case err != nil:
		return err
	case name == "":
		return misuse(c, "no config %q here, want --config FILE", defaultConfig)
	case !c.IsSet("request"):
		return misuse(c, "want --request FILE")
	}
	raw, err := readRequest(c)
	if err != nil {
		return err
	}
	b := newBuilder(name)
	b.scripts, b.vitals = c.String("scripts"), idle{}
	if cfg, err := readConfig(b); err == nil { // else the build says what is wrong
		b.trials = experiment.Open(reading(b.path(cfg.Data)), b.meters, nil)
	}
	g, err := reload.Once(name, b.build)
	if err != nil {
		return err
	}
	defer g.Discard()
	p, err := admin.PreviewOf(g, promptcache.New(), c.String("principal"), raw, c.Bool("arms"))
	if err != nil {
		return err
	}
	if c.Bool("json") {
		return printJSON(c.Root().Writer, p)
	}
	printPreview(c.Root().Writer, p)
	return nil
}

func readRequest(c *cli.Command) ([]byte, error) {
	if name := c.String("request"); name != "-" {
		return os.ReadFile(name)
	}
	return io.ReadAll(c.Root().Reader)
}

func printPreview(w io.Writer, p *admin.Preview) {
	printDecision(w, p.Principal, p.Model, p.Trace)
	printRefusal(w, p)
	if p.Experiment != "" {
		fmt.Fprintf(w, "\narms       %s\n", p.Experiment)
	}
	for _, arm := range p.Arms {
		fmt.Fprintf(w, "\nif %s\n", arm.Experiment)
		printStages(w, arm.Trace)
		printRefusal(w, arm)
	}
}

func printRefusal(w io.Writer, p *admin.Preview) {
	if p.Refused != "" {
		fmt.Fprintf(w, "\nrefused    %s: %s\n", p.Code, p.Refused)
	}
}

// printDecision prints a trace up to the pick.
func printDecision(w io.Writer, principal, model string, t *admin.Trace) {
	fmt.Fprintf(w, "principal  %s\nmodel      %s\n", orDash(principal), orDash(model))
	printStages(w, t)
}

func printStages(w io.Writer, t *admin.Trace) {
	for _, s := range t.Stages {
		fmt.Fprintf(w, "\n%s\n  kept     %s\n", s.Name, orDash(strings.Join(s.Kept, ", ")))
		for _, d := range s.Dropped {
			fmt.Fprintf(w, "  dropped  %s: %s\n", d.Upstream, d.Reason)
		}
		for _, line := range []struct{ label, text string }{{"reason", s.Reason}, {"error", s.Error}} {
			if line.text != "" {
				fmt.Fprintf(w, "  %-8s %s\n", line.label, line.text)
			}
		}
	}
	if t.Picked != nil {
		fmt.Fprintf(w, "\npicked     %s, by %s\n", t.Picked.Upstream, t.Picked.By)
	}
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
