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
	peers           []string
	connections     []int
	shapes          []shape
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
	short := flag.Bool("short", false, "a minute in all: two rounds at 32 connections, with 1 KB of JSON and 27 events")
	peers := flag.String("peers", "", "parts of `NAMES`, a comma list; default: all")
	shaped := flag.String("shapes", "", "parts of `NAMES` of requests, a comma list; default: all")
	connections := flag.String("c", "1,32,256", "`NUMBERS` of connections, a comma list")
	flag.Parse()
	if *short {
		o.rounds, *connections, *shaped = 2, "32", "1 KB,27"
	}
	for n := range strings.SplitSeq(*connections, ",") {
		v, err := strconv.Atoi(n)
		if err != nil || v < 1 {
			return o, fmt.Errorf("-c %q, want numbers such as 1,32", *connections)
		}
		o.connections = append(o.connections, v)
	}
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
	peers = slices.DeleteFunc(peers, func(p *peer) bool { return !slices.Contains(o.peers, p.name) })
	done := make(results)
	for _, s := range o.shapes {
		for _, n := range o.connections {
			if err := measure(ctx, w, root, peers, s, n, o, done); err != nil {
				return err
			}
		}
	}
	done.print(os.Stdout, o)
	return nil
}

// measure asks all peers in turn, several times.
func measure(ctx context.Context, w *world, root debian, peers []*peer, s shape, connections int, o options, into results) error {
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
		fmt.Fprintf(os.Stderr, "%s, c = %d, round %d of %d\n", s.name, connections, round+1, o.rounds)
		for _, p := range peers {
			r, err := load(ctx, root, p, script, body, connections, o.seconds)
			if err != nil {
				return err
			}
			c := cell{s.name, connections, p.name}
			into[c] = append(into[c], r)
		}
	}
	return nil
}
