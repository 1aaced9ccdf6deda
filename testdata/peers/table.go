package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"time"
)

// cell is all runs of one peer with one shape on so many connections.
type cell struct {
	shape       string
	connections int
	pause       int // between two requests of a connection, in milliseconds
	peer        string
}

func (c cell) String() string {
	if c.pause > 0 {
		return fmt.Sprintf("%s at half of the rival's peak, c = %d, each pausing %d ms", c.shape, c.connections, c.pause)
	}
	return fmt.Sprintf("%s, c = %d", c.shape, c.connections)
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
	var heads []cell
	for c := range r {
		if c.peer == rival {
			heads = append(heads, c)
		}
	}
	slices.SortFunc(heads, func(a, b cell) int {
		return cmp.Or(place(a.shape)-place(b.shape), a.pause-b.pause, a.connections-b.connections)
	})
	for _, c := range heads {
		fmt.Fprintf(to, "\n%s\n%-18s %10s %9s %9s %9s %9s %9s %8s %7s\n", c,
			"", "answers/s", "/direct", "/rival", "p50 ms", "p99 ms", "CPU us", "CPU/rival", "MB")
		for _, name := range o.peers {
			c.peer = name
			r.line(to, c)
		}
	}
	fmt.Fprintf(to, "\nrival: %s; CPU: of the proxy's processes for one answer; failed answers are marked\n", rival)
}

// place is where a shape stands in the table.
func place(name string) int {
	return slices.IndexFunc(shapes, func(s shape) bool { return s.name == name })
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
