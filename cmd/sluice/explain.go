package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"

	"github.com/urfave/cli/v3"

	"sluice/engine/ledger"
	"sluice/proxy/admin"
)

func explainCommand() *cli.Command {
	return &cli.Command{
		Name:  "explain",
		Usage: "show what the chain decided for a request that was served, stage by stage, and what came of it",
		UsageText: usage("sluice explain [--config FILE] [--admin URL] [--json] REQUEST_ID",
			"sluice explain build-42", "sluice explain --config sluice.yaml --json build-42"),
		Description: "The id is the gateway's, the client's or the upstream's. Asked is the gateway that runs; without --admin, and where none\n" +
			"runs, the ledger in the data directory of the config. SLUICE_ADMIN_TOKEN is the admin API's token, default: the config's.",
		Flags: []cli.Flag{configFlag(), adminFlag(),
			&cli.BoolFlag{Name: "json", Usage: "print JSON"}},
		ArgValidator: anyArguments,
		Action:       runExplain,
	}
}

func runExplain(ctx context.Context, c *cli.Command) error {
	if c.NArg() != 1 || c.Args().First() == "" {
		return misuse(c, "want one REQUEST_ID")
	}
	var r *admin.Request
	var err error
	newProgress(c.Root().ErrWriter).during("looking for the request", func() { r, err = explained(ctx, c, c.Args().First()) })
	if err != nil {
		return err
	}
	if c.Bool("json") {
		return printJSON(c.Root().Writer, r)
	}
	printDecision(c.Root().Writer, r.Principal, r.Model, r.Trace)
	printOutcome(c.Root().Writer, r)
	return nil
}

// explained asks the gateway for a request, or reads the ledger itself where there is no gateway.
func explained(ctx context.Context, c *cli.Command, id string) (*admin.Request, error) {
	address, err := adminURL(c)
	if err != nil {
		return nil, err
	}
	r := &admin.Request{}
	err = askAdmin(ctx, address, adminToken(c), "GET", "/v1/requests/"+url.PathEscape(id), nil, r)
	if _, ok := errors.AsType[*url.Error](err); !ok {
		return r, err
	}
	if c.String("admin") == "" {
		if r, err := readRequestRow(c, id); !errors.Is(err, fs.ErrNotExist) {
			return r, err
		}
	}
	return nil, fmt.Errorf("%s does not answer", address)
}

// readRequestRow reads a row that no gateway is there to show. The error is fs.ErrNotExist where there is no ledger.
func readRequestRow(c *cli.Command, id string) (*admin.Request, error) {
	name, err := configPath(c)
	if err != nil {
		return nil, err
	}
	if name == "" {
		return nil, fs.ErrNotExist
	}
	b := newBuilder(name)
	cfg, err := readConfig(b)
	if err != nil {
		return nil, err
	}
	book, err := ledger.Open(ledger.Options{Dir: ledgerDir(b, cfg), ReadOnly: true})
	if err != nil {
		return nil, err
	}
	r, err := book.Find(id)
	switch {
	case err != nil:
		return nil, err
	case r == nil:
		return nil, fmt.Errorf("no request %q in the ledger", id)
	}
	return admin.RequestOf(r), nil
}

// printOutcome prints what a preview cannot know.
func printOutcome(w io.Writer, r *admin.Request) {
	if r.Arms != "" {
		fmt.Fprintf(w, "\narms       %s\n", r.Arms)
	}
	if len(r.Trace.Attempts) > 0 {
		fmt.Fprintln(w)
	}
	for _, a := range r.Trace.Attempts {
		printAttempt(w, &a)
	}
	for _, e := range r.Trace.Errors {
		fmt.Fprintf(w, "error      %s %s: %s\n", e.Stage, e.Kind, e.Message)
	}
	fmt.Fprintf(w, "\nanswered   %d", r.Status)
	if r.Code != "" {
		fmt.Fprintf(w, " %s", r.Code)
	}
	fmt.Fprintf(w, ", %s, %.0f ms\n", stamp(r.Started), r.DurationMS)
	if r.AnsweredModel != "" {
		fmt.Fprintf(w, "model      %s, asked was %s\n", r.AnsweredModel, r.Model)
	}
	if b := r.Booked; b != nil {
		fmt.Fprintf(w, "counts     %d tokens of input, %d of output, %.6f dollars", b.InputTokens+b.CacheCreationInputTokens+b.CacheReadInputTokens, b.OutputTokens, b.CostUSD)
		told := admin.Usage{}
		if r.Usage != nil {
			told = *r.Usage
		}
		if told != b.Usage {
			fmt.Fprint(w, ", in part by estimate")
		}
		fmt.Fprintln(w)
	}
}

// printAttempt prints what came of one upstream, and what that meant for the next requests.
func printAttempt(w io.Writer, a *admin.Attempt) {
	if a.Error != "" {
		fmt.Fprintf(w, "attempt    %s: %s", a.Upstream, a.Error)
	} else {
		fmt.Fprintf(w, "attempt    %s: status %d after %.0f ms", a.Upstream, a.Status, a.TTFBMS)
	}
	if a.Class != "" {
		fmt.Fprintf(w, " (%s)", a.Class)
	}
	if a.Cooled != "" && a.Until != nil {
		fmt.Fprintf(w, ", %s cools until %s", a.Cooled, stamp(*a.Until))
	}
	fmt.Fprintln(w)
}
