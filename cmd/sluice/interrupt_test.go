//go:build unix

package main

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
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

// gatewayProcess is `sluice serve` with a config, not started. It is killed when it outlasts all patience.
func gatewayProcess(t *testing.T, config string) *exec.Cmd {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "sluice.yaml")
	config = "listen: 127.0.0.1:0\nadmin: {listen: 127.0.0.1:0}\n" + config
	if err := errors.Join(os.WriteFile(file, []byte(config), 0o644), os.MkdirAll(filepath.Join(dir, "scripts"), 0o755)); err != nil {
		t.Fatal(err)
	}
	path, err := exec.LookPath("sluice")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path, "serve", "--config", file)
	cmd.Args[0] = "sluice"
	late := time.AfterFunc(patience, func() { cmd.Process.Kill() })
	t.Cleanup(func() { late.Stop() })
	return cmd
}

// untilReady reads what a gateway says until it is ready, and returns where it listens.
func untilReady(t *testing.T, said io.Reader) (url, admin string) {
	t.Helper()
	for lines := bufio.NewScanner(said); lines.Scan(); {
		switch what, at, _ := strings.Cut(lines.Text(), " "); what {
		case "gateway":
			url = strings.TrimSpace(at)
		case "admin":
			admin = strings.TrimSpace(at)
		case "ready":
			return url, admin
		}
	}
	t.Fatal("it ended before it was ready")
	return "", ""
}

const (
	oneUpstream  = "upstreams: [{name: a, kind: anthropic_direct, signer: {type: anthropic_key, key: k}}]\n"
	onePrincipal = "principals: [{name: alice, keys: [\"sha256:0000000000000000000000000000000000000000000000000000000000000001\"]}]\n"
)

// A gateway goes on, and ends in order, when whoever read what it says is gone.
func TestAGatewayOutlivesTheReaderOfItsLog(t *testing.T) {
	cmd := gatewayProcess(t, oneUpstream+onePrincipal)
	said, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = cmd.Stdout
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	untilReady(t, said)
	said.Close()
	cmd.Process.Signal(syscall.SIGTERM) // of which it would tell
	if err := cmd.Wait(); err != nil {
		t.Errorf("it ended with %v, want in order", err)
	}
}

// A wish for a reload that comes while a gateway starts is no end.
func TestASignalToReloadMayComeBeforeAGatewayIsReady(t *testing.T) {
	key := filepath.Join(t.TempDir(), "key")
	if err := syscall.Mkfifo(key, 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := gatewayProcess(t, strings.Replace(oneUpstream, "key: k", "key: \"${file:"+key+"}\"", 1)+onePrincipal)
	said, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	asked, err := os.OpenFile(key, os.O_WRONLY, 0) // as soon as it reads its config, which lasts until this is closed
	if err != nil {
		t.Fatal(err)
	}
	cmd.Process.Signal(syscall.SIGHUP)
	_, err = asked.WriteString("secret")
	next := key + ".next" // for who reads it again
	if err := errors.Join(err, os.WriteFile(next, []byte("secret"), 0o644), os.Rename(next, key), asked.Close()); err != nil {
		t.Fatal(err)
	}
	untilReady(t, said)
	cmd.Process.Signal(syscall.SIGTERM)
	if err := cmd.Wait(); err != nil {
		t.Errorf("it ended with %v, want in order", err)
	}
}

// A gateway that has no descriptor left for those who knock goes on when they are gone, at the door of its operator too.
func TestAGatewayOutlivesMoreConnectionsThanItHasDescriptors(t *testing.T) {
	cmd := gatewayProcess(t, oneUpstream+onePrincipal)
	cmd.Args = append([]string{"sh", "-c", "ulimit -n 64; exec \"$0\" \"$@\"", cmd.Path}, cmd.Args[1:]...)
	cmd.Path = "/bin/sh"
	said, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	url, admin := untilReady(t, said)
	for _, door := range []string{admin, url} {
		var open []net.Conn
		for range 100 {
			nc, err := net.Dial("tcp", strings.TrimPrefix(door, "http://"))
			if err != nil {
				t.Fatal(err)
			}
			open = append(open, nc)
		}
		for _, nc := range open {
			nc.Close()
		}
		resp, err := http.Get(admin + "/healthz")
		if err != nil {
			t.Fatalf("after too many at %s: %v", door, err)
		}
		resp.Body.Close()
	}
	cmd.Process.Signal(syscall.SIGTERM)
	if err := cmd.Wait(); err != nil {
		t.Errorf("it ended with %v, want in order", err)
	}
}
