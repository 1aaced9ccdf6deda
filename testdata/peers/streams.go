package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"time"
)

// held is what a peer holds for streams that are open and on which little comes.
type held struct {
	streams int
	idle    int64 // resident with none of them, in bytes
	open    int64 // with all of them
}

// openers is how many streams are opened at once.
const openers = 64

// hold opens streams through p, looks at its memory while an event a second comes on each, and leaves.
func hold(ctx context.Context, p *peer, streams int) (h held, err error) {
	pids := tree(p.run.Process.Pid)
	h = held{streams: streams, idle: memory(pids)}
	fmt.Fprintf(os.Stderr, "%s, %d open streams\n", p.name, streams)
	conns := make([]net.Conn, streams)
	defer func() {
		for _, c := range conns {
			if c != nil {
				c.Close()
			}
		}
	}()
	failed := make(chan error, openers)
	var all sync.WaitGroup
	for opener := range openers {
		all.Go(func() {
			for i := opener; i < streams && ctx.Err() == nil; i += openers {
				c, err := open(p)
				if err != nil {
					failed <- fmt.Errorf("stream %d through %s: %w", i, p.name, err)
					return
				}
				conns[i] = c
			}
		})
	}
	all.Wait()
	select {
	case err = <-failed:
	case <-ctx.Done():
		err = ctx.Err()
	case <-time.After(5 * time.Second): // so that what opening them took is given back
		h.open = memory(pids)
	}
	return h, err
}

// open begins a stream, and returns when its first event came.
func open(p *peer) (net.Conn, error) {
	c, err := net.DialTimeout("tcp", p.addr, 10*time.Second)
	if err != nil {
		return nil, err
	}
	body := shape{prompt: 1 << 10, stream: true, tokens: 194}.body()
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	_, err = fmt.Fprintf(c, "POST /v1/messages HTTP/1.1\r\nHost: x\r\nx-api-key: sk-sluice-p0\r\nanthropic-version: 2023-06-01\r\n"+
		"x-simulate-fault: slow=1s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
	lines := bufio.NewReaderSize(c, 512)
	for line := ""; err == nil && !strings.HasPrefix(line, "event: message_start"); {
		if line, err = lines.ReadString('\n'); err == nil && strings.HasPrefix(line, "HTTP/1.1 ") && !strings.HasPrefix(line, "HTTP/1.1 200") {
			err = fmt.Errorf("answered %q", strings.TrimSpace(line))
		}
	}
	if err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// printHeld prints what each peer holds.
func printHeld(to io.Writer, names []string, of map[string]held) {
	if len(of) == 0 {
		return
	}
	each := func(h held) float64 { return float64(h.open-h.idle) / float64(h.streams) / 1024 }
	fmt.Fprintf(to, "\n%d open streams\n%-18s %10s %10s %10s %9s\n", of[rival].streams, "", "idle MB", "open MB", "KB each", "/rival")
	for _, name := range names {
		if h, ok := of[name]; ok {
			fmt.Fprintf(to, "%-18s %10.1f %10.1f %10.1f %9.2f\n", name, float64(h.idle)/(1<<20), float64(h.open)/(1<<20), each(h),
				ratio(float64(h.open), float64(of[rival].open)))
		}
	}
}
