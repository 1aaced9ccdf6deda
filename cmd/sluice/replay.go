package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v3"

	"sluice/engine"
	"sluice/engine/config"
	"sluice/engine/ledger"
	"sluice/engine/reload"
)

func replayCommand() *cli.Command {
	return &cli.Command{
		Name:  "replay",
		Usage: "show what scripts would have decided differently about requests of the past",
		UsageText: usage("sluice replay [--since DURATION] [--config FILE] [--json] SCRIPT…",
			"sluice replay --since 1h scripts/filters/tier.lua", "sluice replay --config sluice.yaml --since 30m --json filters/tier.star"),
		Description: "A script takes the place of the filter that runs it, or its twin in the other language, or is an arm of an experiment that has\n" +
			"one of them; any other script is one more filter at the end of the chain. It is asked about what the ledger recorded, with the\n" +
			"config and the labels of today. Bodies are not recorded: a script that reads one cannot be replayed.",
		Flags: []cli.Flag{configFlag(), scriptsFlag(),
			&cli.StringFlag{Name: "since", Usage: "how far back to begin, a `DURATION` such as 90m or 7d", Value: "1h"},
			&cli.BoolFlag{Name: "json", Usage: "print JSON, with every request that changes"},
		},
		ArgValidator: anyArguments,
		Action:       runReplay,
	}
}

func runReplay(_ context.Context, c *cli.Command) error {
	name, err := configPath(c)
	since, notTime := config.ParseDuration(c.String("since"))
	switch {
	case err != nil:
		return err
	case name == "":
		return misuse(c, "no config %q here, want --config FILE", defaultConfig)
	case c.NArg() == 0:
		return misuse(c, "want a SCRIPT")
	case notTime != nil:
		return misuse(c, "--since %q, %v", c.String("since"), notTime)
	case since == 0:
		return misuse(c, "--since %q, want a duration above 0", c.String("since"))
	}
	b := newBuilder(name)
	b.scripts, b.vitals = c.String("scripts"), idle{}
	cfg, err := readConfig(b)
	if err != nil {
		return err
	}
	r := &replay{Since: time.Now().Add(-since).UTC().Truncate(time.Second), Changed: map[engine.Likeness]int{}, Requests: []changed{},
		Missing: map[string]int{}, Unreplayable: map[string]string{}, Failed: map[string]int{}}
	for _, arg := range c.Args().Slice() {
		script, err := scriptBelow(b.scriptsDir(cfg), arg)
		if err != nil {
			return err
		}
		r.Scripts = append(r.Scripts, stand{Script: script})
	}
	b.amend = r.bind
	if r.generation, err = reload.Once(name, b.build); err != nil {
		return err
	}
	defer r.generation.Discard()
	book, err := ledger.Open(ledger.Options{Dir: ledgerDir(b, cfg), ReadOnly: true})
	if errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("there is no ledger in %q", ledgerDir(b, cfg))
	}
	if err == nil {
		r.progress = newProgress(c.Root().ErrWriter)
		err = book.Scan(r.Since, r.decide)
		r.progress.end()
	}
	if err != nil {
		return err
	}
	return r.print(c)
}

// scriptBelow is the path of a script below the root, which is given as such or as a file.
func scriptBelow(root, arg string) (string, error) {
	switch _, err := os.Stat(arg); {
	case filepath.Ext(arg) != ".star" && filepath.Ext(arg) != ".lua":
		return "", fmt.Errorf("%q is no script, want a name that ends in .star or .lua", arg)
	case err == nil:
		return pathBelow(root, arg)
	}
	if _, err := os.Stat(filepath.Join(root, arg)); err != nil {
		return "", fmt.Errorf("there is no script %q, here or below the scripts root %q", arg, root)
	}
	return arg, nil
}

// replay is a ledger's past, decided again.
type replay struct {
	Since        time.Time               `json:"since"`
	Scripts      []stand                 `json:"scripts"`
	Rows         int                     `json:"rows"`
	Replayed     int                     `json:"replayed"`
	Undecided    int                     `json:"undecided"`    // rows of requests that came to no decision
	Gone         int                     `json:"gone"`         // rows with a principal or an upstream that the config has no more
	Changed      map[engine.Likeness]int `json:"changed"`      // the requests by what differs
	Failed       map[string]int          `json:"failed"`       // calls that failed, by the error
	Missing      map[string]int          `json:"missing"`      // requests by a header that was looked for, of which the ledger has none
	Unreplayable map[string]string       `json:"unreplayable"` // scripts that read the body, and where
	Requests     []changed               `json:"requests"`

	generation *engine.Generation
	progress   *progress
}

// stand is a script and where it stands.
type stand struct {
	Script string   `json:"script"`
	For    []string `json:"in_place_of"`   // bindings; empty: at the end of the chain
	Arm    string   `json:"arm,omitempty"` // of their experiment, whose config it has
}

// changed is a request about which the chain comes to something else.
type changed struct {
	ID        string          `json:"request_id"`
	At        time.Time       `json:"at"`
	Principal string          `json:"principal"`
	Differs   engine.Likeness `json:"differs"`
	Was       side            `json:"was"`
	Is        side            `json:"is"`
}

type side struct {
	Kept   []string `json:"kept"`
	Picked string   `json:"picked"` // "" = nobody
	Why    []string `json:"why"`
}

// bind puts the scripts where they are to stand.
func (r *replay) bind(cfg *config.Config) {
	chains := []*[]config.Binding{&cfg.Filters}
	for i := range cfg.Principals {
		if cfg.Principals[i].OwnFilters {
			chains = append(chains, &cfg.Principals[i].Filters)
		}
	}
	for i := range r.Scripts {
		s := &r.Scripts[i]
		for _, chain := range chains {
			for j := range *chain {
				b := &(*chain)[j]
				arm, stands := standsIn(cfg, b, s.Script)
				if stands && !slices.Contains(s.For, b.Name) {
					s.For = append(s.For, b.Name)
				}
				if arm != "" {
					s.Arm = arm
				}
			}
		}
		if len(s.For) > 0 {
			continue
		}
		name := strings.TrimSuffix(path.Base(s.Script), path.Ext(s.Script))
		for _, chain := range chains {
			*chain = append(slices.Clip(*chain), config.Binding{Name: name, Script: s.Script, Config: &engine.Object{}, Budget: cfg.Budget})
		}
	}
}

// standsIn makes b run a script, if b runs it or its twin already, and reports whether it does. The arm that does so stands alone: the first
// of those of b's experiment.
func standsIn(cfg *config.Config, b *config.Binding, script string) (arm string, stands bool) {
	stem := strings.TrimSuffix(script, path.Ext(script))
	twin := func(other string) bool { return strings.TrimSuffix(other, path.Ext(other)) == stem }
	if b.Experiment == "" {
		if twin(b.Script) {
			b.Script = script
		}
		return "", b.Script == script
	}
	e := &cfg.Experiments[slices.IndexFunc(cfg.Experiments, func(e config.Experiment) bool { return e.Name == b.Experiment })]
	best := -1
	for i := range e.Arms {
		own := e.Arms[i].Script
		if best < 0 && twin(own) || own == script && e.Arms[best].Script != script {
			best = i
		}
	}
	if best < 0 {
		return "", false
	}
	b.Script, b.Config, b.Budget, b.Experiment = script, e.Arms[best].Config, e.Arms[best].Budget, ""
	return e.Arms[best].Name, true
}

func (r *replay) runs(slot *engine.FilterSlot) bool {
	return slices.ContainsFunc(r.Scripts, func(s stand) bool { return s.Script == slot.Script })
}

// decide decides about one row again.
func (r *replay) decide(row *engine.Record) bool {
	r.Rows++
	r.progress.tell("%d requests, up to %s", r.Rows, stamp(row.Started))
	if len(row.Trace.Candidates) == 0 {
		r.Undecided++
		return true
	}
	at := slices.IndexFunc(r.generation.Principals, func(p *engine.Principal) bool { return p.Name == row.Principal })
	if at < 0 {
		r.Gone++
		return true
	}
	x := row.Again(r.generation.Principals[at])
	was, is, err := r.generation.Replay(x, &row.Trace, r.runs)
	var body *engine.BodyReadError
	switch {
	case errors.As(err, &body):
		r.Unreplayable[body.Script] = body.Error()
		return true
	case err != nil:
		r.Gone++
		return true
	}
	r.Replayed++
	for _, s := range x.Trace.Stages {
		if s.Error != "" {
			r.Failed[s.Error]++
		}
	}
	for _, name := range x.Request.Missing.Headers() {
		r.Missing[name]++
	}
	if differs := was.Compared(&is, &row.Trace, x.Trace.Stages); differs != engine.SameDecision {
		r.Changed[differs]++
		r.Requests = append(r.Requests, changed{row.RequestID, row.Started.UTC(), row.Principal, differs,
			viewSide(&was, reasons(&row.Trace, x.Trace.Stages)), viewSide(&is, reasons(&x.Trace, x.Trace.Stages))})
	}
	return true
}

func viewSide(d *engine.Decision, why []string) side {
	s := side{Kept: []string{}, Picked: d.Picked, Why: why}
	for i := range d.Kept {
		s.Kept = append(s.Kept, d.Kept[i].Name)
	}
	return s
}

// reasons are what those stages of t say that were decided again.
func reasons(t *engine.RoutingTrace, again []engine.StageDecision) []string {
	out := []string{}
	for i := range t.Stages {
		s := &t.Stages[i]
		if !slices.ContainsFunc(again, func(a engine.StageDecision) bool { return a.Stage == s.Stage }) {
			continue
		}
		if s.Reason != "" {
			out = append(out, s.Reason)
		}
		for _, d := range s.Dropped {
			out = append(out, t.Name(d.UpstreamID)+" "+d.Reason)
		}
	}
	return out
}

// print says what came of it. A script that could not be replayed is what makes it fail.
func (r *replay) print(c *cli.Command) error {
	out := c.Root().Writer
	if c.Bool("json") {
		if err := printJSON(out, r); err != nil {
			return err
		}
	} else {
		r.describe(out)
	}
	for _, script := range slices.Sorted(maps.Keys(r.Unreplayable)) {
		fmt.Fprintln(c.Root().ErrWriter, r.Unreplayable[script])
	}
	if len(r.Unreplayable) > 0 {
		return errReported
	}
	return nil
}

// shownRequests is how many changed requests are shown. JSON has them all.
const shownRequests = 10

func (r *replay) describe(out io.Writer) {
	w := newTable(out)
	for _, s := range r.Scripts {
		where := "at the end of the chain"
		if len(s.For) > 0 {
			where = "in the place of " + strings.Join(s.For, ", ")
		}
		if s.Arm != "" {
			where += ", as arm " + s.Arm
		}
		w.row("script", s.Script+", "+where)
	}
	w.row("replayed", fmt.Sprintf("%d of %d requests since %s", r.Replayed, r.Rows, stamp(r.Since)))
	for _, line := range []struct {
		n    int
		text string
	}{{r.Undecided, "refused before any decision"}, {r.Gone, "with a principal or an upstream that the config has no more"}} {
		if line.n > 0 {
			w.row("", fmt.Sprintf("%d %s", line.n, line.text))
		}
	}
	w.row("changed", len(r.Requests))
	for _, d := range []struct {
		likeness engine.Likeness
		text     string
	}{{engine.OtherPick, "another is picked"}, {engine.OtherKept, "others are kept, and the same is picked"}, {engine.OtherReasons, "for other reasons alone"}} {
		if n := r.Changed[d.likeness]; n > 0 {
			w.row("", fmt.Sprintf("%d %s", n, d.text))
		}
	}
	for _, text := range slices.Sorted(maps.Keys(r.Failed)) {
		w.row("failed", fmt.Sprintf("%d: %s", r.Failed[text], text))
	}
	for _, name := range slices.Sorted(maps.Keys(r.Missing)) {
		w.row("header", fmt.Sprintf("%d: %q was looked for, of which the ledger has none: taken as absent", r.Missing[name], name))
	}
	w.Flush()
	for _, q := range r.Requests[:min(len(r.Requests), shownRequests)] {
		fmt.Fprintf(out, "\n%s  %s  %s\n  was  %s\n  is   %s\n", q.ID, stamp(q.At), q.Principal, q.Was, q.Is)
	}
	if more := len(r.Requests) - shownRequests; more > 0 {
		fmt.Fprintf(out, "\nand %d more: --json lists all\n", more)
	}
}

// String is a side in one line.
func (s side) String() string {
	text := "keeps " + orDash(strings.Join(s.Kept, ", ")) + ", picks " + orDash(s.Picked)
	if len(s.Why) > 0 {
		text += ": " + strings.Join(s.Why, "; ")
	}
	return text
}
