package config

import (
	"cmp"
	"errors"
	"time"

	"go.yaml.in/yaml/v3"

	"sluice/engine"
)

// config reads the whole file.
func (d *decoder) config(root *yaml.Node) {
	c := d.cfg
	got := d.object(root,
		opt("listen", placed(&c.ListenPos, value(d, &c.Listen, parseListen))),
		opt("tls", d.tls),
		opt("admin", d.admin),
		opt("scripts", placed(&c.ScriptsPos, value(d, &c.Scripts, parseText))),
		opt("data", placed(&c.DataPos, value(d, &c.Data, parseText))),
		opt("data_key", hidden(d, &c.DataKey, parseSecret)),
		opt("limits", d.limits),
		opt("prices", placed(&c.PricesPos, value(d, &c.Prices, parseText))),
		opt("timeouts", d.timeouts),
		opt("ledger", d.ledger),
		opt("strategy", enum(d, &c.Strategy,
			"first-pick", "priority", "random", "round-robin", "least-connections", "affinity")),
		opt("affinity", d.affinity),
		opt("retry", d.retry),
		opt("seed", value(d, &c.Seed, parseWhole[uint64](1, 1<<62))),
		req("upstreams", filled(d, &c.Upstreams, d.upstream, "want at least one upstream")),
		req("principals", filled(d, &c.Principals, d.principal, "want at least one principal")),
		opt("filters", d.bindings(&c.Filters, "filters[]", "filter")),
		opt("router", func(n *yaml.Node) {
			c.Router = &Binding{}
			d.binding(c.Router, "router", nil)(n)
		}),
		opt("observers", d.bindings(&c.Observers, "observers[]", "observer")),
		opt("experiments", d.experiments),
		opt("budgets", d.budgets(&c.Budget, &c.TotalMemory)),
	)
	if got != nil {
		d.checkListeners(root, got)
	}
}

func (d *decoder) tls(n *yaml.Node) {
	t := &TLS{Pos: posOf(n)}
	d.cfg.TLS = t
	d.object(n, req("cert", value(d, &t.Cert, parseFile)), req("key", value(d, &t.Key, parseFile)))
}

func (d *decoder) admin(n *yaml.Node) {
	a := &d.cfg.Admin
	d.object(n,
		opt("listen", placed(&a.ListenPos, value(d, &a.Listen, parseListen))),
		opt("token", hidden(d, &a.Token, parseSecret)),
		opt("open_metrics", value(d, &a.OpenMetrics, parseBool)),
	)
}

func (d *decoder) affinity(n *yaml.Node) {
	a := &d.cfg.Affinity
	d.object(n,
		opt("subagents", enum(d, &a.Subagents, "share", "split")),
		opt("ttl", value(d, &a.TTL, parseSomeTime)),
	)
}

func (d *decoder) limits(n *yaml.Node) {
	l := &d.cfg.Limits
	got := d.object(n,
		opt("body", value(d, &l.Body, parseSize)),
		opt("files_body", value(d, &l.FilesBody, parseSize)),
		opt("bodies_total", value(d, &l.BodiesTotal, parseSize)),
		opt("streams", value(d, &l.Streams, parseWhole(1, 10_000_000))),
	)
	if got != nil && l.BodiesTotal < max(l.Body, l.FilesBody) {
		at := cmp.Or(got["bodies_total"], got["body"], got["files_body"])
		d.fail(at, "limits: bodies_total is smaller than one request may be, want at least body and files_body")
	}
}

func (d *decoder) timeouts(n *yaml.Node) {
	t := &d.cfg.Timeouts
	longer := func(into *time.Duration) decode { return value(d, into, parseSomeTime) }
	d.object(n,
		opt("connect", longer(&t.Connect)),
		opt("response_header", longer(&t.ResponseHeader)),
		opt("idle", longer(&t.Idle)),
		opt("client_header", longer(&t.ClientHeader)),
		opt("client_body", longer(&t.ClientBody)),
		opt("client_write", longer(&t.ClientWrite)),
		opt("drain", value(d, &t.Drain, ParseDuration)),
	)
}

func (d *decoder) retry(n *yaml.Node) {
	r := &d.cfg.Retry
	d.object(n,
		opt("attempts", value(d, &r.Attempts, parseWhole(1, 100))),
		opt("statuses", list(d, &r.Statuses, func(s *int) decode { return value(d, s, parseWhole(400, 599)) })),
	)
}

// smallestLedger is a size at which the ledger still holds a few segments, in bytes.
const smallestLedger = 1 << 20

func (d *decoder) ledger(n *yaml.Node) {
	l := &d.cfg.Ledger
	full := "serve"
	d.object(n,
		opt("keep", value(d, &l.Keep, parseSomeTime)),
		opt("max_size", value(d, &l.MaxSize, func(s string) (int64, error) {
			size, err := parseSize(s)
			if err == nil && size < smallestLedger {
				err = errors.New("want a size from 1MiB")
			}
			return size, err
		})),
		opt("when_full", enum(d, &full, "serve", "refuse")),
	)
	l.Refuse = full == "refuse"
}

// budgets reads what one call may use. total, what all calls together may, is nil where the file cannot say it.
func (d *decoder) budgets(b *engine.Budget, total *int64) decode {
	steps := parseWhole[int64](1, 1<<53)
	return func(n *yaml.Node) {
		fields := []field{
			opt("time", value(d, &b.Time, parseSomeTime)),
			opt("steps", value(d, &b.Steps, steps)),
			opt("memory", value(d, &b.Memory, parseSize)),
			opt("per_mib", func(n *yaml.Node) {
				d.object(n,
					opt("time", value(d, &b.TimePerMiB, parseSomeTime)),
					opt("steps", value(d, &b.StepsPerMiB, steps)),
					opt("memory", value(d, &b.MemoryPerMiB, parseSize)),
				)
			}),
		}
		if total != nil {
			fields = append(fields, opt("total_memory", placed(&d.cfg.TotalMemoryPos, value(d, total, parseSize))))
		}
		got := d.object(n, fields...)
		if at := cmp.Or(got["memory"], got["total_memory"]); at != nil {
			d.later = append(d.later, func() {
				if b.Memory > d.cfg.TotalMemory {
					d.fail(at, "budgets: memory is more than total_memory, which all calls share, want at most %d", d.cfg.TotalMemory)
				}
			})
		}
	}
}
