package main

import (
	"fmt"
	"io"
	"slices"
	"time"
)

// cell is all runs of one peer with one shape on so many connections.
type cell struct {
	shape       string
	connections int
	peer        string
}

// results are the runs of all cells.
type results map[cell][]run

// median of what of picks out of the runs of a cell.
func (r results) median(c cell, of func(run) float64) float64 {
	runs := r[c]
	if len(runs) == 0 {
		return 0
	}
	v := make([]float64, len(runs))
	for i := range runs {
		v[i] = of(runs[i])
	}
	slices.Sort(v)
	return (v[(len(v)-1)/2] + v[len(v)/2]) / 2
}

func rate(r run) float64     { return r.rate }
func p50(r run) float64      { return float64(r.p50) }
func p99(r run) float64      { return float64(r.p99) }
func perCPU(r run) float64   { return float64(r.cpu) }
func resident(r run) float64 { return float64(r.memory) }

// print writes one table for each shape and number of connections: medians, and ratios of medians.
func (r results) print(to io.Writer, o options) {
	for _, s := range o.shapes {
		for _, n := range o.connections {
			fmt.Fprintf(to, "\n%s, c = %d\n%-18s %10s %9s %9s %9s %9s %9s %8s %7s\n", s.name, n,
				"", "answers/s", "/direct", "/rival", "p50 ms", "p99 ms", "CPU us", "CPU/rival", "MB")
			for _, name := range o.peers {
				r.line(to, cell{s.name, n, name})
			}
		}
	}
	fmt.Fprintf(to, "\nrival: %s; CPU: of the proxy's processes for one answer; failed answers are marked\n", rival)
}

func (r results) line(to io.Writer, c cell) {
	base, top := c, c
	base.peer, top.peer = rival, direct
	ms := func(v float64) float64 { return v / float64(time.Millisecond) }
	failed := 0
	for _, run := range r[c] {
		failed += run.failed
	}
	mark := ""
	if failed > 0 {
		mark = fmt.Sprintf("  %d failed", failed)
	}
	fmt.Fprintf(to, "%-18s %10.0f %9.2f %9.2f %9.2f %9.2f %9.1f %8.2f %7.1f%s\n", c.peer, r.median(c, rate), ratio(r.median(c, rate), r.median(top, rate)),
		ratio(r.median(c, rate), r.median(base, rate)), ms(r.median(c, p50)), ms(r.median(c, p99)), r.median(c, perCPU)/1e3,
		ratio(r.median(c, perCPU), r.median(base, perCPU)), r.median(c, resident)/(1<<20), mark)
}

func ratio(a, b float64) float64 {
	if b == 0 {
		return 0
	}
	return a / b
}
