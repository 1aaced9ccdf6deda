//go:build unix

package main

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"sluice/engine/keys"
)

// unreadLog is a gateway whose every request has 20 lines in the log, which is a pipe that nobody reads yet.
func unreadLog(t *testing.T) (cmd *exec.Cmd, log io.Reader, url string) {
	t.Helper()
	cmd = gatewayProcess(t, oneUpstream+"filters: [{name: a, script: a.star}, {name: b, script: b.lua}]\n"+
		fmt.Sprintf("principals: [{name: alice, keys: [%q]}]\n", keys.Sum(liveKey)))
	dir := filepath.Join(filepath.Dir(cmd.Args[len(cmd.Args)-1]), "scripts")
	for name, text := range map[string]string{
		"a.star": "def filter(ctx, principal, candidates):\n    for i in range(10):\n        log(\"a word of mine\")\n    return candidates\n",
		"b.lua":  "function filter(ctx, principal, candidates)\n  for i = 1, 10 do log(\"a word of mine\") end\n  return { deny = \"enough\" }\nend\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	log, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	said, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	url, _ = untilReady(t, said)
	return cmd, log, url
}

// askMuch asks more than what the log has room for.
func askMuch(t *testing.T, url string) (requests int) {
	t.Helper()
	client := &http.Client{Timeout: patience / 2, Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	for requests < 600 {
		req, _ := http.NewRequest("POST", url+"/v1/messages", strings.NewReader(`{"model":"m","max_tokens":1,"messages":[]}`))
		req.Header.Set("x-api-key", liveKey)
		resp, err := client.Do(req)
		if err != nil {
			t.Fatalf("request %d: %v", requests, err)
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		if resp.StatusCode != 403 {
			t.Fatalf("request %d: status %d", requests, resp.StatusCode)
		}
		requests++
	}
	return requests
}

// No request waits for who reads the log. What was lost is told to whoever reads it in the end.
func TestALogThatNobodyReadsHoldsNoRequestUp(t *testing.T) {
	t.Parallel()
	cmd, log, url := unreadLog(t)
	logged := 20 * askMuch(t, url)
	read, lost := 0, 0
	for lines := bufio.NewScanner(log); lines.Scan(); {
		if strings.HasSuffix(lines.Text(), ": a word of mine") {
			read++
		} else if _, told, ok := strings.Cut(lines.Text(), "the log was not read: "); ok {
			fmt.Sscan(told, &lost)
			cmd.Process.Signal(syscall.SIGTERM)
		}
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("it ended with %v, want in order", err)
	}
	if read+lost != logged || read < unread {
		t.Errorf("%d lines read and %d lost, want %d in all and not fewer than %d read", read, lost, logged, unread)
	}
}

func TestALogThatNobodyReadsHoldsTheEndUpForAMoment(t *testing.T) {
	t.Parallel()
	cmd, _, url := unreadLog(t)
	askMuch(t, url)
	cmd.Process.Signal(syscall.SIGTERM)
	if state, err := cmd.Process.Wait(); err != nil || !state.Success() {
		t.Errorf("it ended with %v, %v, want in order", state, err)
	}
}
