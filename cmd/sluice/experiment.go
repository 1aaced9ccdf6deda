package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/urfave/cli/v3"

	"sluice/engine"
	"sluice/engine/experiment"
	"sluice/proxy/admin"
)

func experimentCommand() *cli.Command {
	flags := func() []cli.Flag {
		return []cli.Flag{configFlag(), adminFlag(),
			&cli.BoolFlag{Name: "json", Usage: "print JSON"}}
	}
	one := func(name, usageText, args, example string, action cli.ActionFunc) *cli.Command {
		takes := anyArguments
		if args == "" {
			takes = noArguments
		}
		return &cli.Command{Name: name, Usage: usageText, ArgsUsage: args, Flags: flags(), ArgValidator: takes, Action: action,
			UsageText: usage(strings.TrimSpace("sluice experiment "+name+" [--config FILE] [--admin URL] [--json] "+args), example)}
	}
	return &cli.Command{
		Name:  "experiment",
		Usage: "see what came of each arm of an experiment, and end it",
		UsageText: usage("sluice experiment list|show|promote|stop [--config FILE] [--admin URL]",
			"sluice experiment list --admin http://127.0.0.1:8788"),
		Description: "Asked is the gateway that runs. SLUICE_ADMIN_TOKEN is the admin API's token, default: the config's.",
		Commands: []*cli.Command{
			one("list", "list the experiments of the config", "", "sluice experiment list --admin http://127.0.0.1:8788", listExperiments),
			one("show", "show the figures of one experiment", "NAME", "sluice experiment show --admin http://127.0.0.1:8788 tier-language",
				func(ctx context.Context, c *cli.Command) error { return changeExperiment(ctx, c, "") }),
			one("promote", "make an arm the only one, until the config changes or stop", "NAME ARM",
				"sluice experiment promote --admin http://127.0.0.1:8788 tier-language lua",
				func(ctx context.Context, c *cli.Command) error { return changeExperiment(ctx, c, "promote") }),
			one("stop", "end a promotion: the weights hold again", "NAME", "sluice experiment stop --admin http://127.0.0.1:8788 tier-language",
				func(ctx context.Context, c *cli.Command) error { return changeExperiment(ctx, c, "stop") }),
		},
		Action: wantCommand,
	}
}

// askExperiments asks the gateway, below /v1/experiments.
func askExperiments(ctx context.Context, c *cli.Command, method, path string, body, into any) error {
	address, err := adminURL(c)
	if err != nil {
		return err
	}
	err = askAdmin(ctx, address, adminToken(c), method, "/v1/experiments"+path, body, into)
	if _, ok := errors.AsType[*url.Error](err); ok {
		return fmt.Errorf("%s does not answer", address)
	}
	return err
}

func listExperiments(ctx context.Context, c *cli.Command) error {
	var all admin.Experiments
	if err := askExperiments(ctx, c, "GET", "", nil, &all); err != nil {
		return err
	}
	if c.Bool("json") {
		return printJSON(c.Root().Writer, all)
	}
	w := newTable(c.Root().Writer)
	w.row("name", "slot", "unit", "arms", "promoted", "requests", "verdict")
	for _, v := range all.Experiments {
		requests := int64(0)
		for _, a := range v.Arms {
			requests += a.Requests
		}
		promoted := "-"
		if v.Promoted != nil {
			promoted = v.Promoted.Arm
		}
		w.row(v.Name, v.Slot, v.Unit, shares(&v), promoted, requests, v.Verdict)
	}
	return w.Flush()
}

// changeExperiment does what verb says to an experiment and tells who has the requests, or where it is "" shows the experiment.
func changeExperiment(ctx context.Context, c *cli.Command, verb string) error {
	args, want := c.Args().Slice(), 1
	if verb == "promote" {
		want = 2
	}
	if len(args) != want || slices.Contains(args, "") {
		return misuse(c, "want %s", c.ArgsUsage)
	}
	method, path, body := "GET", "/"+url.PathEscape(args[0]), map[string]string(nil)
	if verb != "" {
		method, path = "POST", path+"/"+verb
	}
	if verb == "promote" {
		body = map[string]string{"arm": args[1]}
	}
	var v experiment.View
	if err := askExperiments(ctx, c, method, path, body, &v); err != nil {
		return err
	}
	switch {
	case c.Bool("json"):
		return printJSON(c.Root().Writer, v)
	case verb == "":
		return printExperiment(c.Root().Writer, &v)
	}
	_, err := fmt.Fprintf(c.Root().Writer, "%s: %s\n", v.Name, shares(&v))
	return err
}

// shares is "starlark 50%, lua 50%".
func shares(v *experiment.View) string {
	var arms []string
	for _, a := range v.Arms {
		arms = append(arms, fmt.Sprintf("%s %s", a.Name, percent(a.Share)))
	}
	return strings.Join(arms, ", ")
}

func printJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

// table aligns what is written to it row by row.
type table struct{ *tabwriter.Writer }

func newTable(w io.Writer) table { return table{tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)} }

func (t table) row(cells ...any) {
	for i, cell := range cells {
		if i > 0 {
			io.WriteString(t, "\t")
		}
		fmt.Fprint(t, cell)
	}
	io.WriteString(t, "\n")
}

func printExperiment(out io.Writer, v *experiment.View) error {
	promoted := "-"
	if p := v.Promoted; p != nil {
		promoted = fmt.Sprintf("%s, by %s at %s", p.Arm, p.By, stamp(p.At))
	}
	w := newTable(out)
	w.row("experiment", v.Name)
	w.row("slot", v.Slot)
	w.row("unit", v.Unit)
	w.row("promoted", promoted)
	w.row("verdict", v.Verdict)
	w.row()
	printArms(w, v)
	printMeasures(w, v)
	printShadows(w, v)
	for i, e := range v.History {
		if i == 0 {
			w.row()
			w.row("changed", "by", "from", "to")
		}
		w.row(stamp(e.At), e.By, e.From, e.To)
	}
	return w.Flush()
}

func printArms(w table, v *experiment.View) {
	w.row("arm", "share", "requests", "units", "2xx", "4xx", "5xx", "ttfb p50", "ttfb p99", "tokens in", "tokens out", "cost", "upstreams")
	for _, a := range v.Arms {
		w.row(a.Name, percent(a.Share), a.Requests, a.Units, a.Statuses["2xx"], a.Statuses["4xx"], a.Statuses["5xx"], millis(a.TTFBP50),
			millis(a.TTFBP99), a.Input, a.Output, fmt.Sprintf("$%.4f", a.CostUSD), counted(a.Upstreams))
	}
	w.row()
	w.row("arm", "script", "version", "calls", "recalled", "errors", "overruns", "aside", "p50", "p99")
	for _, a := range v.Arms {
		printCalls(w, a.Name, &a.Calls)
	}
	for _, s := range v.Shadows {
		printCalls(w, s.Name+" (shadow)", &s.Calls)
	}
}

func printCalls(w table, name string, c *experiment.Calls) {
	w.row(name, c.Script, engine.Cut(c.Version, 12), c.Calls, c.Recalled, c.Errors, c.Overruns, c.Aside, fmt.Sprintf("%.0f µs", c.P50), fmt.Sprintf("%.0f µs", c.P99))
}

// measureViews say how what is compared is shown.
var measureViews = map[string]measureView{
	"ttfb_seconds": {"time to first byte", "", " ms", 1, 1000},
	"success_rate": {"success", "", " %", 1, 100},
	"cost_usd":     {"cost of a request", "$", "", 6, 1},
}

type measureView struct {
	title, before, after string
	digits               int
	scale                float64
}

func (m measureView) show(x float64) string {
	text := m.before + strconv.FormatFloat(math.Abs(x)*m.scale, 'f', m.digits, 64) + m.after
	if x < 0 && strings.ContainsAny(text, "123456789") {
		text = "-" + text
	}
	return text
}

func printMeasures(w table, v *experiment.View) {
	for i, m := range v.Measures {
		if i == 0 {
			w.row()
			w.row("per unit", "arm", "mean", "against", "mean", "difference", "99 % sure", "better")
		}
		t := measureViews[m.Name]
		mean := func(m *experiment.Mean) string {
			if m == nil {
				return "-"
			}
			return t.show(m.Value)
		}
		sure, better := "too few units", "-"
		if m.Low != nil {
			sure = t.show(*m.Low) + " to " + t.show(*m.High)
		}
		if m.Better != nil {
			better = *m.Better
		}
		difference := "-"
		if m.Difference != nil {
			difference = t.show(*m.Difference)
		}
		w.row(t.title, m.Arm, mean(m.Means[1]), m.Against, mean(m.Means[0]), difference, sure, better)
	}
}

func printShadows(w table, v *experiment.View) {
	for _, s := range v.Shadows {
		agreement := "-"
		if s.Agreement != nil {
			agreement = percent(*s.Agreement)
		}
		w.row()
		w.row("shadow", "agreement", "compared", "other reasons", "others kept", "other pick", "failed", "dropped")
		w.row(s.Name, agreement, s.Compared, s.Likeness[engine.OtherReasons], s.Likeness[engine.OtherKept], s.Likeness[engine.OtherPick],
			s.Likeness[engine.NoDecision], s.Dropped)
		for _, d := range s.Differing[max(0, len(s.Differing)-shownDiffering):] {
			w.row()
			w.row(d.RequestID, "differs in "+string(d.Differs))
			w.row("  served", decided(&d.Served))
			w.row("  "+s.Name, decided(&d.Shadow))
		}
	}
}

// shownDiffering is how many differing requests are shown. JSON has all that are kept.
const shownDiffering = 5

func decided(d *experiment.Decision) string {
	text := "keeps " + orDash(strings.Join(d.Kept, ", "))
	if d.Denied {
		text = "denies"
	}
	if d.Picked != "" {
		text += ", picks " + d.Picked
	}
	for _, reason := range append([]string{d.Reason}, sortedValues(d.Reasons)...) {
		if reason != "" {
			text += ": " + reason
		}
	}
	return text
}

func sortedValues(m map[string]string) []string {
	var out []string
	for _, key := range slices.Sorted(maps.Keys(m)) {
		out = append(out, key+" "+m[key])
	}
	return out
}

// stamp is a moment as all commands print it, to the second.
func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

func percent(share float64) string {
	return strings.TrimSuffix(strings.TrimRight(fmt.Sprintf("%.2f", share*100), "0"), ".") + "%"
}

func millis(ms float64) string { return fmt.Sprintf("%.1f ms", ms) }

// counted lists names with how often each was there, the most first.
func counted(n map[string]int64) string {
	names := slices.Sorted(maps.Keys(n))
	slices.SortStableFunc(names, func(a, b string) int { return int(n[b] - n[a]) })
	var parts []string
	for _, name := range names {
		parts = append(parts, fmt.Sprintf("%s %d", name, n[name]))
	}
	return orDash(strings.Join(parts, ", "))
}
