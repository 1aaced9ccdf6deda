package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"sluice/engine"
	"sluice/engine/reload"
)

const (
	// unread is how many writes wait for a reader that takes none.
	unread = 4096
	// lastRead is how long the end of the process waits for one.
	lastRead = 2 * time.Second
)

// console says what a running gateway has to say: on stdout what was asked for, on stderr the log. Who says something does not wait for who
// reads it: one goroutine writes, and what it cannot get rid of is dropped and counted.
type console struct {
	stdout, stderr io.Writer
	colour         bool
	queue          chan words
	dropped        atomic.Int64
	done           chan struct{} // closed when all was written
}

// words are one write. The zero value is the last.
type words struct {
	to   io.Writer
	text string
}

func newConsole(stdout, stderr io.Writer) *console {
	c := &console{stdout: stdout, stderr: stderr, colour: isTerminal(stderr) && os.Getenv("NO_COLOR") == "",
		queue: make(chan words, unread), done: make(chan struct{})}
	go c.write()
	return c
}

// write writes what is said, until close.
func (c *console) write() {
	defer close(c.done)
	for w := range c.queue {
		last := w.to == nil
		if !last {
			_, _ = io.WriteString(w.to, w.text)
		}
		if last || len(c.queue) == 0 {
			c.tellLost() // behind what was said before
		}
		if last {
			return
		}
	}
}

func (c *console) tellLost() {
	if n := c.dropped.Swap(0); n > 0 {
		_, _ = io.WriteString(c.stderr, stamped(fmt.Sprintf("the log was not read: %d of its lines are lost here", n)))
	}
}

// close waits until all is written that was said before, but not for a reader that does not read.
func (c *console) close() {
	late, cancel := context.WithTimeout(context.Background(), lastRead)
	defer cancel()
	select {
	case c.queue <- words{}:
	case <-late.Done():
	}
	select {
	case <-c.done:
	case <-late.Done():
	}
}

func (c *console) say(to io.Writer, text string) {
	select {
	case c.queue <- words{to, text}:
	default:
		c.dropped.Add(1)
	}
}

func (c *console) printf(format string, args ...any) {
	c.say(c.stdout, fmt.Sprintf(format, args...))
}

// logf says one stamped line.
func (c *console) logf(format string, args ...any) {
	c.say(c.stderr, stamped(fmt.Sprintf(format, args...)))
}

func stamped(line string) string {
	return fmt.Sprintf("%s %s\n", time.Now().Format("15:04:05.000"), line)
}

// script writes a line that a script logged.
func (c *console) script(file string, line int, message string) {
	if line > 0 {
		file = fmt.Sprintf("%s:%d", file, line)
	}
	c.logf("%s: %s", file, message)
}

// failure writes that a script fails while it serves, with its stack.
func (c *console) failure(e *engine.ScriptError) {
	c.logf("%s", strings.TrimSuffix(fmt.Sprintf("%v; told once, counted in /v1/status\n%s", e, stack(e)), "\n"))
}

// aside writes that a script was put aside, or is back.
func (c *console) aside(script string, a engine.Aside, back bool) {
	if !back {
		c.logf("%v", &engine.AsideError{Script: script, Aside: a})
		return
	}
	who := "all principals"
	if a.Principal != engine.GlobalPrincipal {
		who = fmt.Sprintf("principal %q", a.Principal)
	}
	c.logf("%s: runs again for %s", script, who)
}

// report tells a person of each change of state: one line, and under an error in a script the line it is about.
func (c *console) report(r reload.Report) {
	for _, n := range r.News {
		if r.Generation == 1 && n.State == reload.Live {
			continue // at the start everything is new
		}
		c.logf("%s", c.paint(n))
		c.details(n.Err)
	}
}

func (c *console) paint(n reload.News) string {
	switch {
	case !c.colour:
		return n.String()
	case n.State == reload.Live:
		return "\x1b[32m" + n.String() + "\x1b[0m"
	}
	return "\x1b[31m" + n.String() + "\x1b[0m"
}

// details says what one line could not hold: of a script the line at fault and the stack, for the first error alone since the others
// mostly follow from it; of a config the errors after the first.
func (c *console) details(err error) {
	for i, one := range flatten(err) {
		if i > 0 {
			c.say(c.stderr, fmt.Sprintln(one))
		}
		if found := engine.ScriptErrors(one); len(found) > 0 {
			c.say(c.stderr, excerpt(found[0])+stack(found[0]))
			return
		}
	}
}
