// Peers compares Sluice with scripted proxies that apply the same policy, on one machine: it starts them all, asks them in turn, and
// prints a table. "make bench-peers" runs it; it needs Debian's apt-get and dpkg, installs nothing and leaves nothing running.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

type options struct {
	sluice, cache   string
	rounds, seconds int
	streams         int
	peers           []string
	connections     []int
	shapes          []shape
	half            bool // ask at half of the peak too
}

func main() {
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt)
	defer cancel()
	o, err := parseFlags()
	if err == nil {
		err = compare(ctx, o)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "peers:", err)
		os.Exit(1)
	}
}

func parseFlags() (o options, err error) {
	home, _ := os.UserCacheDir()
	flag.StringVar(&o.sluice, "sluice", "bin/sluice", "the `PROGRAM`")
	flag.StringVar(&o.cache, "cache", filepath.Join(home, "sluice-peers"), "the `FOLDER` where Debian's packages are kept unpacked")
	flag.IntVar(&o.rounds, "rounds", 3, "how often each peer is asked, in turn with the others")
	flag.IntVar(&o.seconds, "seconds", 2, "how long")
	flag.IntVar(&o.streams, "streams", 9500, "how many streams are held open to look at the memory, 0 = none")
	short := flag.Bool("short", false, "a minute in all: two rounds at 32 connections, with 1 KB of JSON and 27 events")
	peers := flag.String("peers", "", "parts of `NAMES`, a comma list; default: all")
	shaped := flag.String("shapes", "", "parts of `NAMES` of requests, a comma list; default: all")
	connections := flag.String("c", "1,32,256", "`NUMBERS` of connections, a comma list")
	flag.Parse()
	if *short {
		o.rounds, *connections, *shaped, o.streams = 2, "32", "1 KB,27", 0
	}
	for n := range strings.SplitSeq(*connections, ",") {
		v, err := strconv.Atoi(n)
		if err != nil || v < 1 {
			return o, fmt.Errorf("-c %q, want numbers such as 1,32", *connections)
		}
		o.connections = append(o.connections, v)
	}
	o.half = slices.Contains(o.connections, peakAt)
	o.shapes = slices.DeleteFunc(slices.Clone(shapes), func(s shape) bool { return !named(s.name, *shaped) })
	o.peers = slices.DeleteFunc(slices.Clone(names), func(n string) bool { return n != direct && n != rival && !named(n, *peers) })
	return o, nil
}

// named reports whether a name holds one of the parts; no parts, and it does.
func named(name, parts string) bool {
	return slices.ContainsFunc(strings.Split(parts, ","), func(p string) bool { return strings.Contains(name, p) })
}

func compare(ctx context.Context, o options) error {
	root, err := fetch(o.cache)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "sluice-peers-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	w, err := newWorld(root, dir)
	if err != nil {
		return err
	}
	peers, err := w.start(root, o.sluice)
	defer stop(peers)
	if err != nil {
		return err
	}
	peers = slices.DeleteFunc(slices.Clone(peers), func(p *peer) bool { return !slices.Contains(o.peers, p.name) })
	done := make(results)
	for _, s := range o.shapes {
		for _, n := range o.connections {
			if err := measure(ctx, w, root, peers, cell{shape: s.name, connections: n}, s, o, done); err != nil {
				return err
			}
		}
		if !o.half {
			continue
		}
		peak := done.median(cell{shape: s.name, connections: peakAt, peer: rival}, rate)
		half := cell{shape: s.name, connections: crowd, pause: int(2 * crowd * 1000 / max(peak, 1))}
		if err := measure(ctx, w, root, peers, half, s, o, done); err != nil {
			return err
		}
	}
	holding := make(map[string]held)
	for _, p := range peers {
		if o.streams == 0 || p.name == direct || p.name == "nginx" || p.name == "HAProxy + Lua" {
			continue
		}
		if holding[p.name], err = hold(ctx, p, o.streams); err != nil {
			return err
		}
	}
	done.print(os.Stdout, o)
	printHeld(os.Stdout, o.peers, holding)
	return nil
}

// At half of the rival's peak, which it has with peakAt connections, a crowd asks: each client pauses between two requests.
const peakAt, crowd = 32, 256

// measure asks all peers in turn, several times.
func measure(ctx context.Context, w *world, root debian, peers []*peer, c cell, s shape, o options, into results) error {
	script, err := w.write("ask.lua", "ask.lua")
	if err != nil {
		return err
	}
	body := filepath.Join(w.Dir, "body.json")
	if err := os.WriteFile(body, s.body(), 0o600); err != nil {
		return err
	}
	for _, p := range peers {
		if err := check(p, s.body()); err != nil {
			return err
		}
	}
	for round := range o.rounds {
		fmt.Fprintf(os.Stderr, "%s, round %d of %d\n", c, round+1, o.rounds)
		for _, p := range peers {
			c.peer = p.name
			r, err := load(ctx, root, p, script, body, c, o.seconds)
			if err != nil {
				return err
			}
			into[c] = append(into[c], r)
		}
	}
	return nil
}
