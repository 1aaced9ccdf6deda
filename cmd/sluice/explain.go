package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"time"

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
		Flags: []cli.Flag{configFlag(), textFlag("admin", "`URL` of the admin API, default: as the config says"),
			&cli.BoolFlag{Name: "json", Usage: "print JSON"}},
		ArgValidator: anyArguments,
		Action:       runExplain,
	}
}

func runExplain(ctx context.Context, c *cli.Command) error {
	if c.NArg() != 1 {
		return misuse(c, "want one REQUEST_ID")
	}
	r, err := explained(ctx, c, c.Args().First())
	if err != nil {
		return err
	}
	if c.Bool("json") {
		enc := json.NewEncoder(c.Root().Writer)
		enc.SetEscapeHTML(false)
		enc.SetIndent("", "  ")
		return enc.Encode(r)
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
	r, err := askRequest(ctx, address, adminToken(c), id)
	var away *url.Error
	if !errors.As(err, &away) {
		return r, err
	}
	if c.String("admin") == "" {
		if r, err := readRequestRow(c, id); !errors.Is(err, fs.ErrNotExist) {
			return r, err
		}
	}
	return nil, fmt.Errorf("%s does not answer", address)
}

// adminToken is the environment's, or what the config says.
func adminToken(c *cli.Command) string {
	if token := os.Getenv("SLUICE_ADMIN_TOKEN"); token != "" {
		return token
	}
	name, err := configPath(c)
	if err != nil || name == "" {
		return ""
	}
	cfg, err := readConfig(newBuilder(name))
	if err != nil {
		return ""
	}
	return cfg.Admin.Token.Reveal()
}

// askRequest is a *url.Error where nobody answers.
func askRequest(ctx context.Context, address, token, id string) (*admin.Request, error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, "GET", address+"/v1/requests/"+url.PathEscape(id), nil)
	if err != nil {
		return nil, err
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	var answer struct {
		admin.Request
		Error string `json:"error"`
	}
	switch err := json.NewDecoder(resp.Body).Decode(&answer); {
	case err != nil || resp.StatusCode != 200 && answer.Error == "":
		return nil, fmt.Errorf("%s is no admin API: status %d", address, resp.StatusCode)
	case resp.StatusCode == 401:
		return nil, fmt.Errorf("%s: %s: want it in SLUICE_ADMIN_TOKEN", address, answer.Error)
	case resp.StatusCode != 200:
		return nil, errors.New(answer.Error)
	}
	return &answer.Request, nil
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
	if len(r.Trace.Attempts) > 0 {
		fmt.Fprintln(w)
	}
	for _, a := range r.Trace.Attempts {
		if a.Error != "" {
			fmt.Fprintf(w, "attempt    %s: %s\n", a.Upstream, a.Error)
		} else {
			fmt.Fprintf(w, "attempt    %s: status %d after %.0f ms\n", a.Upstream, a.Status, a.TTFBMS)
		}
	}
	for _, e := range r.Trace.Errors {
		fmt.Fprintf(w, "error      %s %s: %s\n", e.Stage, e.Kind, e.Message)
	}
	fmt.Fprintf(w, "\nanswered   %d", r.Status)
	if r.Code != "" {
		fmt.Fprintf(w, " %s", r.Code)
	}
	fmt.Fprintf(w, ", %s, %.0f ms\n", r.Started.UTC().Format(time.RFC3339), r.DurationMS)
}
