package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"strings"

	"github.com/urfave/cli/v3"

	"sluice/proxy/simulate"
)

func simulateCommand() *cli.Command {
	return &cli.Command{
		Name:  "simulate",
		Usage: "run a fake provider on loopback",
		UsageText: usage("sluice simulate [--listen ADDR] [--latency TIME] [--fault MODE] …",
			"sluice simulate --listen 127.0.0.1:9001 --name sim-a --fault 529"),
		Description: "Faults:\n  " + strings.Join(simulate.FaultModes(), "\n  ") +
			"\nA request may ask for its own: x-simulate-fault: MODE, or NAME:MODE of the simulator of that name; several by commas.",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "listen", Value: "127.0.0.1:9001", Usage: "`ADDR` to listen on"},
			&cli.StringFlag{Name: "kind", Value: "anthropic", Usage: "the `WIRE` it speaks: " + strings.Join(simulate.Kinds, ", ")},
			&cli.StringFlag{Name: "name", Value: "sim", Usage: "the `NAME` it gives in its answers"},
			&cli.DurationFlag{Name: "latency", Usage: "`TIME` before the head of every answer", HideDefault: true},
			&cli.DurationFlag{Name: "pace", Usage: "`TIME` between two chunks of a stream", HideDefault: true},
			&cli.IntFlag{Name: "words", Usage: "how many words a text answer has, `N`, one event each; default: as it comes", HideDefault: true},
			&cli.IntFlag{Name: "burst", Value: 1, Usage: "`N` events in one chunk of a stream"},
			&cli.StringFlag{Name: "fault", Usage: "a standing fault, a `MODE` of those above"},
		},
		ShellComplete: completeSimulator,
		Action:        runSimulator,
	}
}

// completeSimulator offers the values of a flag that is a word of a few, and else what every command offers.
func completeSimulator(ctx context.Context, c *cli.Command) {
	var words []string
	switch asked := os.Args[:len(os.Args)-1]; asked[len(asked)-1] { // without the library's own flag
	case "--fault":
		for _, mode := range simulate.FaultModes() { // NAME, NAME=ARG or NAME[=ARG], and what it does
			form, doc, _ := strings.Cut(mode, " ")
			form, _, _ = strings.Cut(form, "[")
			words = append(words, strings.TrimRight(form, "DURN")+":"+strings.TrimSpace(doc))
		}
	case "--kind":
		words = simulate.Kinds
	default:
		cli.DefaultCompleteWithFlags(ctx, c)
	}
	for _, word := range words {
		fmt.Fprintln(c.Root().Writer, word)
	}
}

func runSimulator(_ context.Context, c *cli.Command) error {
	if _, _, err := net.SplitHostPort(c.String("listen")); err != nil {
		return misuse(c, "--listen %q, want HOST:PORT such as 127.0.0.1:9001", c.String("listen"))
	}
	p, err := simulate.New(simulate.Options{Kind: c.String("kind"), Name: c.String("name"), Latency: c.Duration("latency"), Pace: c.Duration("pace"),
		Words: c.Int("words"), Burst: c.Int("burst"), Fault: c.String("fault"), Keep: -1})
	if err != nil {
		return misuse(c, "%s", strings.TrimPrefix(err.Error(), "simulate: "))
	}
	ln, err := listen(c.String("listen"), "--listen")
	if err != nil {
		return err
	}
	ended := untilSignal()
	fmt.Fprintf(c.Root().Writer, "simulated provider %s on http://%s\n", c.String("name"), ln.Addr())
	done := make(chan error, 1)
	go func() { done <- p.Serve(ln) }()
	select {
	case err := <-done:
		return err
	case <-ended.Done():
		p.Close()
		<-done
		return nil
	}
}
