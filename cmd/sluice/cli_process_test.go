package main

import (
	"bufio"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// processes are those that a script has started and that run beside it.
type processes struct {
	all    []*process
	stream *bufio.Reader // of the stream that is open
}

// processesKey finds the processes of a script.
type processesKey struct{}

// process is one of them. The goroutine of spawn waits for it.
type process struct {
	name     string
	cmd      *exec.Cmd
	out, log feed
	ended    chan struct{} // closed after err was set
	err      error
}

// feed is what a process writes, as it comes.
type feed struct {
	mu      sync.Mutex
	text    []byte        // guarded by mu
	seen    int           // guarded by mu: what await has passed
	changed chan struct{} // guarded by mu: closed with the next write, nil while nobody waits
	over    bool          // guarded by mu: the process ended
}

func (f *feed) Write(p []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.text = append(f.text, p...)
	f.wake()
	return len(p), nil
}

func (f *feed) end() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.over = true
	f.wake()
}

// wake is called with the lock held.
func (f *feed) wake() {
	if f.changed != nil {
		close(f.changed)
		f.changed = nil
	}
}

func (f *feed) String() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return string(f.text)
}

// next looks for a match after the last one. If there is none, it returns what is closed when there is more to look at, nil = never.
func (f *feed) next(want *regexp.Regexp) (found []string, changed chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	rest := string(f.text[f.seen:])
	if at := want.FindStringIndex(rest); at != nil {
		f.seen += at[1]
		return want.FindStringSubmatch(rest), nil
	}
	if f.changed == nil && !f.over {
		f.changed = make(chan struct{})
	}
	return nil, f.changed
}

// await returns the next match and its groups.
func (f *feed) await(ts *testscript.TestScript, pattern string) []string {
	want, err := regexp.Compile("(?m)" + pattern)
	ts.Check(err)
	late := time.After(patience)
	for {
		found, changed := f.next(want)
		switch {
		case found != nil:
			return found
		case changed == nil:
			ts.Fatalf("%q did not come, and the process ended", pattern)
		}
		select {
		case <-changed:
		case <-late:
			ts.Fatalf("%q did not come in %v", pattern, patience)
		}
	}
}

// passed are the variables that processes get of a script's.
var passed = []string{"PATH", "HOME", "TMPDIR", "GORACE", "ANTHROPIC_API_KEY", "SLUICE_ADMIN_TOKEN", "SECRET", "A", "B"}

// spawn runs a program beside the script. It lasts until stop, signal and exited, or the end of the script.
func spawn(ts *testscript.TestScript, name, program string, args ...string) *process {
	p := &process{name: name, ended: make(chan struct{})}
	path, err := exec.LookPath(program)
	ts.Check(err)
	p.cmd = exec.Command(path, args...)
	p.cmd.Args[0], p.cmd.Dir, p.cmd.Stdout, p.cmd.Stderr = program, ts.MkAbs("."), &p.out, &p.log
	for _, v := range passed {
		if value := ts.Getenv(v); value != "" {
			p.cmd.Env = append(p.cmd.Env, v+"="+value)
		}
	}
	ts.Check(p.cmd.Start())
	go func() {
		p.err = p.cmd.Wait()
		p.out.end()
		p.log.end()
		close(p.ended)
	}()
	all := ts.Value(processesKey{}).(*processes)
	all.all = append(all.all, p)
	return p
}

// stop asks a process to end, which must be in order.
func (p *process) stop(ts *testscript.TestScript) {
	ts.Check(p.cmd.Process.Signal(syscall.SIGTERM))
	p.exited(ts, 0)
}

func (p *process) exited(ts *testscript.TestScript, want int) {
	select {
	case <-p.ended:
	case <-time.After(patience):
		ts.Fatalf("%s still runs after %v", p.name, patience)
	}
	if got := exitCode(p.err); got != want {
		ts.Fatalf("%s exits %d, want %d", p.name, got, want)
	}
}

// end kills what still runs and shows what all have said.
func (ps *processes) end(t testscript.T) {
	for _, p := range ps.all {
		_ = p.cmd.Process.Kill()
		<-p.ended
		t.Log("stdout of", p.name+":\n"+p.out.String()+"stderr of", p.name+":\n"+p.log.String())
		if strings.Contains(p.log.String(), "DATA RACE") || strings.Contains(p.log.String(), "panic: ") {
			t.Log(p.name, "has a data race or a panic")
			t.FailNow()
		}
	}
}

// last is the process of this name that was started last.
func last(ts *testscript.TestScript, name string) *process {
	all := ts.Value(processesKey{}).(*processes).all
	for i := len(all) - 1; i >= 0; i-- {
		if all[i].name == name {
			return all[i]
		}
	}
	ts.Fatalf("%s does not run", name)
	return nil
}

// serve ARG…: runs a gateway on free ports, unless the arguments say otherwise, until it is ready. URL, ADMIN and, of the demo, KEY and
// SCRIPTS are set to what it prints; URL_ADDR and ADMIN_ADDR are the addresses alone.
func serveInScript(ts *testscript.TestScript, _ bool, args []string) {
	if !strings.Contains(strings.Join(args, " "), "--config") {
		args = append([]string{"--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"}, args...)
	}
	p := spawn(ts, "serve", "sluice", append([]string{"serve"}, args...)...)
	p.out.await(ts, "^ready\n")
	text := p.out.String()
	for name, pattern := range map[string]string{
		"URL": `(?m)^gateway   (\S+)$`, "ADMIN": `(?m)^admin     (\S+)$`, "KEY": `(?m)^key       (\S+)$`, "SCRIPTS": `(?m)^scripts   (\S+)`,
	} {
		if found := regexp.MustCompile(pattern).FindStringSubmatch(text); found != nil {
			ts.Setenv(name, found[1])
		}
	}
	ts.Setenv("URL_ADDR", strings.TrimPrefix(ts.Getenv("URL"), "http://"))
	ts.Setenv("ADMIN_ADDR", strings.TrimPrefix(ts.Getenv("ADMIN"), "http://"))
}

// simulate NAME ARG…: runs a fake provider until it listens. The variable NAME, in capitals, is set to its URL and NAME_ADDR to its
// address.
func simulateInScript(ts *testscript.TestScript, _ bool, args []string) {
	p := spawn(ts, args[0], "sluice", append([]string{"simulate", "--listen", "127.0.0.1:0", "--name", args[0]}, args[1:]...)...)
	addr := p.out.await(ts, `on http://(\S+)\n`)[1]
	name := strings.ToUpper(args[0])
	ts.Setenv(name, "http://"+addr)
	ts.Setenv(name+"_ADDR", addr)
}

// await out|log REGEXP: the gateway says so, after what was awaited before.
func awaitCommand(ts *testscript.TestScript, _ bool, args []string) {
	p := last(ts, "serve")
	if args[0] == "out" {
		p.out.await(ts, args[1])
		return
	}
	p.log.await(ts, args[1])
}

// logged N REGEXP: so many lines of the gateway's log match, as soon as they are written.
func loggedCommand(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	line := regexp.MustCompile("(?m)" + args[1])
	text, got := "", -1
	for late := time.Now().Add(patience); got < want && time.Now().Before(late); time.Sleep(time.Millisecond) {
		text = last(ts, "serve").log.String()
		got = len(line.FindAllString(text, -1))
	}
	if got != want {
		ts.Fatalf("%d lines match %q, want %d, in:\n%s", got, args[1], want, text)
	}
}

// signal SIGNAL [PROCESS]: sent to the gateway, or to another process.
func signalCommand(ts *testscript.TestScript, _ bool, args []string) {
	signals := map[string]os.Signal{"HUP": syscall.SIGHUP, "TERM": syscall.SIGTERM, "INT": syscall.SIGINT, "KILL": syscall.SIGKILL}
	ts.Check(named(ts, args[1:]).cmd.Process.Signal(signals[args[0]]))
}

// exited CODE [PROCESS]: the gateway, or another process, ends with the code, -1 = by a signal. What it has said is as after said.
func exitedCommand(ts *testscript.TestScript, neg bool, args []string) {
	code, err := strconv.Atoi(args[0])
	ts.Check(err)
	named(ts, args[1:]).exited(ts, code)
	saidCommand(ts, neg, args[1:])
}

// said [PROCESS]: what the gateway, or another process, has said is in stdout.txt and stderr.txt.
func saidCommand(ts *testscript.TestScript, _ bool, args []string) {
	p := named(ts, args)
	ts.Check(os.WriteFile(ts.MkAbs("stdout.txt"), []byte(p.out.String()), 0o644))
	ts.Check(os.WriteFile(ts.MkAbs("stderr.txt"), []byte(p.log.String()), 0o644))
}

// named is the process that the arguments name, or the gateway.
func named(ts *testscript.TestScript, args []string) *process {
	if len(args) > 0 {
		return last(ts, args[0])
	}
	return last(ts, "serve")
}
