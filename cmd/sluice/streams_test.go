package main

import (
	"bufio"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"sluice/engine/keys"
)

// child is a sluice command that runs beside the test.
type child struct {
	*exec.Cmd
	lines *bufio.Scanner
}

// startProcess runs the command until the benchmark ends.
func startProcess(b *testing.B, binary string, args ...string) *child {
	b.Helper()
	p := &child{Cmd: exec.Command(binary, args...)}
	out, err := p.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	p.Stderr, p.lines = os.Stderr, bufio.NewScanner(out)
	if err := p.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		p.Process.Signal(os.Interrupt)
		p.Wait()
	})
	return p
}

// address reads lines until one that begins with a word, and returns the address that ends it.
func (p *child) address(b *testing.B, word string) string {
	b.Helper()
	for p.lines.Scan() {
		if line := p.lines.Text(); strings.HasPrefix(line, word) {
			_, addr, _ := strings.Cut(line, "http://")
			return addr
		}
	}
	b.Fatalf("no line begins with %q", word)
	return ""
}

// resident is the process's memory, in bytes.
func (p *child) resident(b *testing.B) float64 {
	b.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.Process.Pid))
	if err != nil {
		b.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "VmRSS:")
	kib, err := strconv.Atoi(strings.Fields(rest)[0])
	if err != nil {
		b.Fatal(err)
	}
	return float64(kib) * 1024
}

// go test ./cmd/sluice -run ^$ -bench OpenStreams -benchtime 1x -streams 9500
var openStreams = flag.Int("streams", 2000, "how many streams are open at once; a gateway takes two descriptors for each")

// Paced streams are open at once for a minute, before a gateway and a provider in processes of their own. None may be lost, and nothing may
// be left open after.
func BenchmarkOpenStreams(b *testing.B) { benchmarkStreams(b, *openStreams, 30, 2*time.Second) }

func benchmarkStreams(b *testing.B, streams, words int, pace time.Duration) {
	dir := b.TempDir()
	binary := filepath.Join(dir, "sluice")
	if out, err := exec.Command("go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
		b.Fatalf("%v\n%s", err, out)
	}
	sim := startProcess(b, binary, "simulate", "--listen", "127.0.0.1:0", "--pace", pace.String(), "--words", strconv.Itoa(words))
	config := fmt.Sprintf("listen: 127.0.0.1:0\nadmin: {listen: 127.0.0.1:0}\nscripts: %s\ndata: ./data\nupstreams:\n"+
		"  - {name: a, kind: anthropic_direct, base_url: \"http://%s\", signer: {type: anthropic_key, key: k}}\n"+
		"principals:\n  - {name: p, keys: [%q]}\nfilters:\n  - {name: headroom, script: filters/headroom.star}\nbudgets: {time: 10s}\n",
		absolute(b, "../../scripts"), sim.address(b, "simulated"), keys.Sum(liveKey))
	file := filepath.Join(dir, "sluice.yaml")
	if err := os.WriteFile(file, []byte(config), 0o644); err != nil {
		b.Fatal(err)
	}
	gateway := startProcess(b, binary, "serve", "--config", file)
	addr := gateway.address(b, "gateway")
	admin := gateway.address(b, "admin")
	idle := gateway.resident(b)
	for b.Loop() {
		var open, whole atomic.Int64
		var wait sync.WaitGroup
		for range streams {
			wait.Add(1)
			go func() {
				defer wait.Done()
				if readStream(b, addr, words, &open) {
					whole.Add(1)
				}
			}()
		}
		full := make(chan float64, 1)
		go func() { full <- whileOpen(b, gateway, &open, int64(streams), pace) }()
		wait.Wait()
		if n := whole.Load(); n != int64(streams) {
			b.Fatalf("%d of %d streams came whole", n, streams)
		}
		b.ReportMetric((<-full-idle)/float64(streams), "B/stream")
	}
	b.ReportMetric(idle, "B-idle")
	leftOpen(b, admin)
}

func absolute(b *testing.B, path string) string {
	abs, err := filepath.Abs(path)
	if err != nil {
		b.Fatal(err)
	}
	return abs
}

// whileOpen measures the gateway once all streams are open and have run for a while.
func whileOpen(b *testing.B, gateway *child, open *atomic.Int64, streams int64, pace time.Duration) float64 {
	tick := time.NewTicker(pace)
	defer tick.Stop()
	for range tick.C {
		if open.Load() == streams {
			return gateway.resident(b)
		}
	}
	return 0
}

// readStream asks for one stream and reports whether it came whole.
func readStream(b *testing.B, addr string, words int, open *atomic.Int64) bool {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		b.Error(err)
		return false
	}
	defer conn.Close()
	body := `{"model":"claude-sonnet-4-5","max_tokens":1000,"stream":true,"messages":[{"role":"user","content":"hi"}]}`
	fmt.Fprintf(conn, "POST /v1/messages HTTP/1.1\r\nhost: x\r\nx-api-key: %s\r\nanthropic-version: 2023-06-01\r\ncontent-length: %d\r\n\r\n%s",
		liveKey, len(body), body)
	resp, err := http.ReadResponse(bufio.NewReaderSize(conn, 4096), nil)
	if err != nil || resp.StatusCode != 200 {
		b.Errorf("%v %v", resp, err)
		return false
	}
	open.Add(1)
	text, err := io.ReadAll(resp.Body)
	deltas := strings.Count(string(text), "event: content_block_delta")
	if err != nil || deltas != words || !strings.HasSuffix(string(text), "data: {\"type\":\"message_stop\"}\n\n") {
		b.Errorf("a stream of %d bytes and %d deltas ended with %v", len(text), deltas, err)
		return false
	}
	return true
}

// leftOpen fails if the gateway still counts a stream as open.
func leftOpen(b *testing.B, admin string) {
	resp, err := http.Get("http://" + admin + "/metrics")
	if err != nil {
		b.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil || !strings.Contains(string(text), "\nsluice_streams_open 0\n") {
		b.Errorf("streams are left open: %v", err)
	}
}
