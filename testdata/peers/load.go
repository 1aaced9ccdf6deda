package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// shape is one kind of request.
type shape struct {
	name   string
	prompt int // bytes
	stream bool
	tokens int // of the answer; a stream has six events more
}

var shapes = []shape{
	{"JSON 1 KB", 1 << 10, false, 21},
	{"JSON 200 KB", 200 << 10, false, 21},
	{"SSE 27 events", 1 << 10, true, 21},
	{"SSE 200 events", 1 << 10, true, 194},
}

// body is a request with its prompt in messages of 2 KB.
func (s shape) body() []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, `{"model":"claude-sonnet-4-5","max_tokens":%d,"stream":%t,"messages":[`, s.tokens, s.stream)
	for i := 0; b.Len() < s.prompt; i++ {
		role := []string{"user", "assistant"}[i%2]
		n := max(1, min(2<<10, s.prompt-b.Len()-40))
		fmt.Fprintf(&b, `{"role":%q,"content":%q},`, role, strings.Repeat("word ", n/5+1))
	}
	b.WriteString(`{"role":"user","content":"go on"}]}`)
	return b.Bytes()
}

// run is what one run of wrk measured.
type run struct {
	rate     float64 // answers a second
	p50, p99 time.Duration
	cpu      time.Duration // of the peer, for each answer
	memory   int64         // of the peer when the run ended, in bytes
	failed   int           // answers that were no success, and connections that broke
}

// load asks p for a while as c says.
func load(ctx context.Context, root debian, p *peer, script, body string, c cell, seconds int) (run, error) {
	wrk := root.command(ctx, "usr/bin/wrk", "-t1", fmt.Sprintf("-c%d", c.connections), fmt.Sprintf("-d%ds", seconds), "--timeout", "10s", "--latency",
		"-s", script, "http://"+p.addr+"/v1/messages")
	wrk.Env = append(wrk.Env, "BODY="+body, "KEY=sk-sluice-p0", fmt.Sprintf("PAUSE=%d", c.pause))
	pids := tree(p.run.Process.Pid)
	before := cpu(pids)
	out, err := wrk.CombinedOutput()
	if err != nil {
		return run{}, fmt.Errorf("wrk against %s: %w\n%s", p.name, err, out)
	}
	used := cpu(pids) - before
	r, answers, err := parse(out)
	if err != nil {
		return r, fmt.Errorf("wrk against %s: %w\n%s", p.name, err, out)
	}
	r.cpu, r.memory = used/time.Duration(max(answers, 1)), memory(pids)
	return r, nil
}

// parse reads what wrk prints.
func parse(out []byte) (r run, answers int, err error) {
	lines := bufio.NewScanner(bytes.NewReader(out))
	for lines.Scan() && err == nil {
		f := strings.Fields(lines.Text())
		switch {
		case len(f) == 2 && f[0] == "50%":
			r.p50, err = time.ParseDuration(f[1])
		case len(f) == 2 && f[0] == "99%":
			r.p99, err = time.ParseDuration(f[1])
		case len(f) > 3 && f[1] == "requests":
			answers, err = strconv.Atoi(f[0])
		case len(f) == 2 && f[0] == "Requests/sec:":
			r.rate, err = strconv.ParseFloat(f[1], 64)
		case strings.Contains(lines.Text(), "Non-2xx"):
			r.failed, err = strconv.Atoi(f[len(f)-1])
		case len(f) == 10 && f[0] == "Socket": // errors: connect 0, read 0, write 0, timeout 0
			for _, i := range []int{3, 5, 7, 9} {
				n, _ := strconv.Atoi(strings.TrimSuffix(f[i], ","))
				r.failed += n
			}
		}
	}
	return r, answers, err
}

// tree is a process with its children.
func tree(pid int) []int {
	pids := []int{pid}
	files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	for _, f := range files {
		text, _ := os.ReadFile(f)
		for _, child := range strings.Fields(string(text)) {
			if n, err := strconv.Atoi(child); err == nil {
				pids = append(pids, tree(n)...)
			}
		}
	}
	return pids
}

// cpu is what the processes took so far, in the kernel's ticks of 10 ms.
func cpu(pids []int) (sum time.Duration) {
	for _, pid := range pids {
		text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		f := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
		for _, i := range []int{11, 12} { // utime, stime
			if i < len(f) {
				ticks, _ := strconv.Atoi(f[i])
				sum += time.Duration(ticks) * 10 * time.Millisecond
			}
		}
	}
	return sum
}

// memory is what the processes hold, with each page that several share counted once.
func memory(pids []int) (sum int64) {
	for _, pid := range pids {
		text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
		_, pss, _ := strings.Cut(string(text), "\nPss:")
		if f := strings.Fields(pss); len(f) > 0 {
			kb, _ := strconv.ParseInt(f[0], 10, 64)
			sum += kb << 10
		}
	}
	return sum
}

// check sees to it that a peer serves a shape, and applies its policy: nobody's key gets nowhere.
func check(p *peer, body []byte) error {
	for key, want := range map[string]int{"sk-sluice-p0": 200, "nobody": 401} {
		if want == 401 && (p.name == direct || p.name == "nginx") {
			continue
		}
		req, err := http.NewRequest("POST", "http://"+p.addr+"/v1/messages", bytes.NewReader(body))
		if err != nil {
			return err
		}
		req.Header.Set("anthropic-version", "2023-06-01")
		req.Header.Set("x-api-key", key)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
		resp.Body.Close()
		if resp.StatusCode != want {
			return fmt.Errorf("%s answers key %s with %d, want %d", p.name, key, resp.StatusCode, want)
		}
	}
	return nil
}
