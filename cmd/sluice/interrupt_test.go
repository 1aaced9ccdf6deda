//go:build unix

package main

import (
	"bufio"
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

// A gateway goes on, and ends in order, when whoever read what it says is gone.
func TestAGatewayOutlivesTheReaderOfItsLog(t *testing.T) {
	dir := t.TempDir()
	config := filepath.Join(dir, "sluice.yaml")
	text := "listen: 127.0.0.1:0\nadmin: {listen: 127.0.0.1:0}\n" +
		"upstreams: [{name: a, kind: anthropic_direct, signer: {type: anthropic_key, key: k}}]\n" +
		"principals: [{name: alice, keys: [\"sha256:0000000000000000000000000000000000000000000000000000000000000001\"]}]\n"
	if err := errors.Join(os.WriteFile(config, []byte(text), 0o644), os.Mkdir(filepath.Join(dir, "scripts"), 0o755)); err != nil {
		t.Fatal(err)
	}
	path, err := exec.LookPath("sluice")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path, "serve", "--config", config)
	cmd.Args[0] = "sluice"
	said, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = cmd.Stdout
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	late := time.AfterFunc(patience, func() { cmd.Process.Kill() })
	defer late.Stop()
	lines := bufio.NewScanner(said)
	for lines.Scan() && lines.Text() != "ready" {
	}
	said.Close()
	cmd.Process.Signal(syscall.SIGTERM) // of which it would tell
	if err := cmd.Wait(); err != nil {
		t.Errorf("it ended with %v, want in order", err)
	}
}
