package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"sluice/engine"
	"sluice/engine/reload"
)

// console writes what a running gateway has to say: stdout for what was asked for, stderr for the log.
type console struct {
	mu     sync.Mutex // one line at a time
	stdout io.Writer
	stderr io.Writer
	colour bool
}

func newConsole(stdout, stderr io.Writer) *console {
	return &console{stdout: stdout, stderr: stderr, colour: isTerminal(stderr) && os.Getenv("NO_COLOR") == ""}
}

func (c *console) printf(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	fmt.Fprintf(c.stdout, format, args...)
}

// logf writes one stamped line.
func (c *console) logf(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	fmt.Fprintf(c.stderr, "%s %s\n", time.Now().Format("15:04:05.000"), fmt.Sprintf(format, args...))
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

// details prints what one line could not hold: of a script the line at fault and the stack, for the first error alone since the others
// mostly follow from it; of a config the errors after the first.
func (c *console) details(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, one := range flatten(err) {
		if i > 0 {
			fmt.Fprintln(c.stderr, one)
		}
		if found := engine.ScriptErrors(one); len(found) > 0 {
			io.WriteString(c.stderr, excerpt(found[0])+stack(found[0]))
			return
		}
	}
}
