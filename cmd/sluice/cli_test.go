package main

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// patience is how long a script waits for what must happen, on a loaded machine.
const patience = 20 * time.Second

// The test binary is the binary under test: in the scripts it answers to the name sluice.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"sluice": func() {
		runtime.MemProfileRate = 0 // as in the binary that is shipped, in which nobody asks for a profile
		main()
	}})
}

func TestCommandLine(t *testing.T) {
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir:                 filepath.Join(root, "testdata", "cli"),
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("ROOT", root)
			env.Setenv("GORACE", "atexit_sleep_ms=0") // it would make every command last a second
			ps := &processes{}
			env.Values[processesKey{}] = ps
			env.Defer(func() { ps.end(env.T()) })
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exit": exitCommand, "examples": examplesCommand, "grepped": greppedCommand, // cli_test.go
			"edit": editCommand, "overwrite": overwriteCommand,
			"serve": serveInScript, "simulate": simulateInScript, "signal": signalCommand, "exited": exitedCommand, // cli_process_test.go
			"await": awaitCommand, "logged": loggedCommand, "said": saidCommand,
			"ask": askCommand, "message": messageCommand, "stream": streamCommand, // cli_http_test.go
			"readme": readmeCommand, // cli_readme_test.go
			"mirror": mirrorCommand, "account": accountCommand, "aws": awsCommand, "certificate": certificateCommand,
		},
	})
}

// exit CODE PROGRAM ARG…: the program ends with the code.
func exitCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exit CODE PROGRAM ARG…")
	}
	err := ts.Exec(args[1], args[2:]...)
	if got := exitCode(err); strconv.Itoa(got) != args[0] {
		ts.Fatalf("exit code %d, want %s: %v", got, args[0], err)
	}
}

func exitCode(err error) int {
	var ended *exec.ExitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &ended):
		return ended.ExitCode()
	}
	return -1
}

// edit FILE OLD NEW: as an editor saves, beside the file and then renamed over it.
func editCommand(ts *testscript.TestScript, _ bool, args []string) {
	name, text := replaced(ts, args)
	ts.Check(os.WriteFile(name+".new", text, 0o644))
	ts.Check(os.Rename(name+".new", name))
}

// overwrite FILE OLD NEW: truncated, then written in place.
func overwriteCommand(ts *testscript.TestScript, _ bool, args []string) {
	name, text := replaced(ts, args)
	ts.Check(os.WriteFile(name, text, 0o644))
}

func replaced(ts *testscript.TestScript, args []string) (name string, text []byte) {
	if len(args) != 3 {
		ts.Fatalf("want FILE OLD NEW")
	}
	name = ts.MkAbs(args[0])
	old, err := os.ReadFile(name)
	ts.Check(err)
	if !bytes.Contains(old, []byte(args[1])) {
		ts.Fatalf("%s does not contain %q", name, args[1])
	}
	return name, bytes.Replace(old, []byte(args[1]), []byte(args[2]), 1)
}

// grepped NAME FILE REGEXP: the variable gets what the first group matches.
func greppedCommand(ts *testscript.TestScript, _ bool, args []string) {
	found := regexp.MustCompile("(?m)" + args[2]).FindStringSubmatch(ts.ReadFile(args[1]))
	if found == nil {
		ts.Fatalf("nothing in %s matches %q", args[1], args[2])
	}
	ts.Setenv(args[0], found[1])
}

var exampleLines = regexp.MustCompile(`(?m)^   Examples:\n((?:     .+\n)+)`)

// examples COMMAND…: its help is all on stdout and has examples, and each of them works. Those that listen are sent elsewhere.
func examplesCommand(ts *testscript.TestScript, _ bool, args []string) {
	ts.Check(ts.Exec("sluice", append(args, "--help")...))
	if text := ts.ReadFile("stderr"); text != "" {
		ts.Fatalf("the help says on stderr: %s", text)
	}
	found := exampleLines.FindStringSubmatch(ts.ReadFile("stdout"))
	if found == nil {
		ts.Fatalf("the help has no example")
	}
	for line := range strings.Lines(found[1]) {
		line = strings.Replace(strings.TrimSpace(line), "http://127.0.0.1:8788", ts.Getenv("ADMIN"), 1)
		ts.Logf("example: %s", line)
		words := strings.Fields(line)
		switch words[1] {
		case "serve":
			p := spawn(ts, "example", words[0], append(words[1:], "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0")...)
			p.out.await(ts, "ready\n")
			p.stop(ts)
		case "simulate":
			p := spawn(ts, "example", words[0], append(words[1:], "--listen", "127.0.0.1:0")...)
			p.out.await(ts, "on http://")
			p.stop(ts)
		default:
			ts.Check(ts.Exec("bash", "-c", line))
		}
	}
}
