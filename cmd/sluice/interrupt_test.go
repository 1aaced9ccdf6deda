//go:build unix

package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// A command that only looks at something ends with the first Ctrl-C, whatever it is about to do.
func TestTheFirstInterruptEndsACommandThatOnlyLooks(t *testing.T) {
	dir := t.TempDir()
	config, request := filepath.Join(dir, "sluice.yaml"), filepath.Join(dir, "request.json")
	text := "upstreams: [{name: a, kind: anthropic_direct, signer: {type: anthropic_key, key: k}}]\n" +
		"principals: [{name: alice, keys: [\"sha256:0000000000000000000000000000000000000000000000000000000000000001\"]}]\n"
	if err := errors.Join(os.WriteFile(config, []byte(text), 0o644), syscall.Mkfifo(request, 0o644)); err != nil {
		t.Fatal(err)
	}
	path, err := exec.LookPath("sluice")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path, "preview", "--config", config, "--request", request)
	cmd.Args[0] = "sluice"
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	held, err := os.OpenFile(request, os.O_WRONLY, 0) // as soon as the command reads, which it then does until this is closed
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close()
	cmd.Process.Signal(os.Interrupt)
	late := time.AfterFunc(patience, func() { cmd.Process.Kill() })
	defer late.Stop()
	cmd.Wait()
	if status := cmd.ProcessState.Sys().(syscall.WaitStatus); status.Signal() != syscall.SIGINT {
		t.Errorf("it ended with %v, want by the signal", cmd.ProcessState)
	}
}
