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
	"runtime"
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
func startProcess(b testing.TB, binary string, args ...string) *child {
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
func (p *child) address(b testing.TB, word string) string {
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
var (
	openStreams = flag.Int("streams", 2000, "how many streams are open at once; a gateway takes two descriptors for each")
	promptBytes = flag.Int("prompt", 2, "how large the prompt of each is, in bytes")
)

// maxComing is how many of them are on their way at once, until their answers begin: a gateway holds bodies of 1 GiB together and refuses
// more, and 9,500 prompts of 200 kB are twice that.
const maxComing = 500

// Paced streams are open at once for a minute, before a gateway and a provider in processes of their own. None may be lost, and nothing may
// be left open after.
func BenchmarkOpenStreams(b *testing.B) { benchmarkStreams(b, *openStreams, 30, 2*time.Second) }

// buildIn builds the command in a directory.
func buildIn(b testing.TB, dir string) string {
	b.Helper()
	binary := filepath.Join(dir, "sluice")
	if out, err := exec.Command("go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
		b.Fatalf("%v\n%s", err, out)
	}
	return binary
}

// startGateway runs a gateway with a filter before a simulated provider, each in a process of its own.
func startGateway(b testing.TB, simulate ...string) *child {
	b.Helper()
	dir := b.TempDir()
	binary := buildIn(b, dir)
	sim := startProcess(b, binary, append([]string{"simulate", "--listen", "127.0.0.1:0"}, simulate...)...)
	config := fmt.Sprintf("listen: 127.0.0.1:0\nadmin: {listen: 127.0.0.1:0}\nscripts: %s\ndata: ./data\nupstreams:\n"+
		"  - {name: a, kind: anthropic_direct, base_url: \"http://%s\", signer: {type: anthropic_key, key: k}}\n"+
		"principals:\n  - {name: p, keys: [%q]}\nfilters:\n  - {name: headroom, script: filters/headroom.star}\nbudgets: {time: 10s}\n",
		absolute(b, "../../scripts"), sim.address(b, "simulated"), keys.Sum(liveKey))
	file := filepath.Join(dir, "sluice.yaml")
	if err := os.WriteFile(file, []byte(config), 0o644); err != nil {
		b.Fatal(err)
	}
	return startProcess(b, binary, "serve", "--config", file)
}

func benchmarkStreams(b *testing.B, streams, words int, pace time.Duration) {
	gateway := startGateway(b, "--pace", pace.String(), "--words", strconv.Itoa(words))
	addr := gateway.address(b, "gateway")
	admin := gateway.address(b, "admin")
	idle := gateway.resident(b)
	warm(b, addr)
	before := held(b, gateway, admin, addr)
	for b.Loop() {
		var open, whole atomic.Int64
		var wait sync.WaitGroup
		coming := make(chan struct{}, maxComing)
		for range streams {
			wait.Go(func() {
				if readStream(b, addr, words, coming, &open) {
					whole.Add(1)
				}
			})
		}
		full, ended := make(chan float64, 1), make(chan struct{})
		go func() { full <- whileOpen(b, gateway, &open, int64(streams), pace, ended) }()
		wait.Wait()
		if n := whole.Load(); n != int64(streams) {
			b.Fatalf("%d of %d streams came whole", n, streams)
		}
		close(ended)
		most := <-full
		if most == 0 {
			b.Fatalf("never were %d streams open at once", streams)
		}
		b.ReportMetric((most-idle)/float64(streams), "B/stream")
	}
	b.ReportMetric(idle, "B-idle")
	wantNothingLeft(b, gateway, admin, addr, before)
}

func absolute(b testing.TB, path string) string {
	abs, err := filepath.Abs(path)
	if err != nil {
		b.Fatal(err)
	}
	return abs
}

// whileOpen measures the gateway while all streams are open, once they have run for a while. It is 0 if they ended before that.
func whileOpen(b *testing.B, gateway *child, open *atomic.Int64, streams int64, pace time.Duration, ended <-chan struct{}) float64 {
	tick := time.NewTicker(pace)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			size := gateway.resident(b)
			if open.Load() == streams { // and were, all through the measurement: none begins twice
				return size
			}
		case <-ended:
			return 0
		}
	}
}

// readStream asks for one stream, once its turn among those that are coming is there, and reports whether it came whole.
func readStream(b *testing.B, addr string, words int, coming chan struct{}, open *atomic.Int64) bool {
	coming <- struct{}{}
	begins := sync.OnceFunc(func() { <-coming })
	defer begins()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		b.Error(err)
		return false
	}
	defer conn.Close()
	body := `{"model":"claude-sonnet-4-5","max_tokens":1000,"stream":true,"messages":[{"role":"user","content":"` + strings.Repeat("a", *promptBytes) + `"}]}`
	fmt.Fprintf(conn, "POST /v1/messages HTTP/1.1\r\nhost: x\r\nx-api-key: %s\r\nanthropic-version: 2023-06-01\r\ncontent-length: %d\r\n\r\n%s",
		liveKey, len(body), body)
	resp, err := http.ReadResponse(bufio.NewReaderSize(conn, 4096), nil)
	if err != nil || resp.StatusCode != 200 {
		b.Errorf("%v %v", resp, err)
		return false
	}
	begins()
	open.Add(1)
	defer open.Add(-1)
	text, err := io.ReadAll(resp.Body)
	deltas := strings.Count(string(text), "event: content_block_delta")
	if err != nil || deltas != words || !strings.HasSuffix(string(text), "data: {\"type\":\"message_stop\"}\n\n") {
		b.Errorf("a stream of %d bytes and %d deltas ended with %v", len(text), deltas, err)
		return false
	}
	return true
}

// warm asks for messages at once, so that what the gateway makes at need and keeps, as the goroutines that run scripts, is there.
func warm(b *testing.B, addr string) {
	var wait sync.WaitGroup
	for range 100 {
		wait.Go(func() {
			body := strings.NewReader(`{"model":"claude-sonnet-4-5","max_tokens":9,"messages":[{"role":"user","content":"hi"}]}`)
			req, _ := http.NewRequest("POST", "http://"+addr+"/v1/messages", body)
			req.Header.Set("x-api-key", liveKey)
			req.Close = true
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				b.Error(err)
				return
			}
			io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
		})
	}
	wait.Wait()
}

// left is what a gateway holds.
type left struct {
	streams, goroutines int
	clients             int // connections
	descriptors         int // without those of the connections that it keeps to its upstreams, for the next request
}

// within allows for the pipes by which script calls that take long let others in: one for each processor, kept for the next such call.
func (l left) within(most left) bool {
	pipes := 2 * runtime.NumCPU()
	return l.streams <= most.streams && l.goroutines <= most.goroutines && l.clients <= most.clients && l.descriptors <= most.descriptors+pipes
}

// held says what a gateway holds right now.
func held(b *testing.B, gateway *child, admin, addr string) left {
	b.Helper()
	resp, err := http.Get("http://" + admin + "/metrics")
	if err != nil {
		b.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		b.Fatal(err)
	}
	l := left{streams: gauge(b, text, "sluice_streams_open"), goroutines: gauge(b, text, "go_goroutines")}
	here := make(map[string]bool) // sockets of the gateway
	files, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", gateway.Process.Pid))
	if err != nil {
		b.Fatal(err)
	}
	l.descriptors = len(files)
	for _, f := range files {
		to, _ := os.Readlink(fmt.Sprintf("/proc/%d/fd/%s", gateway.Process.Pid, f.Name()))
		here[strings.Trim(strings.TrimPrefix(to, "socket:"), "[]")] = true
	}
	_, port, _ := net.SplitHostPort(addr)
	_, adminPort, _ := net.SplitHostPort(admin)
	for _, c := range connections(b) {
		switch {
		case !here[c.inode]:
		case c.local == port:
			l.clients++
		case c.local != adminPort: // it dialled
			l.descriptors--
		}
	}
	return l
}

func gauge(b *testing.B, text []byte, name string) int {
	_, rest, found := strings.Cut(string(text), "\n"+name+" ")
	value, _, _ := strings.Cut(rest, "\n")
	n, err := strconv.Atoi(value)
	if !found || err != nil {
		b.Fatalf("%s is %q", name, value)
	}
	return n
}

// connection is one end of a TCP connection of this machine, by its own port.
type connection struct{ local, inode string }

// connections lists those that are not listeners.
func connections(b *testing.B) (out []connection) {
	text, err := os.ReadFile("/proc/net/tcp")
	if err != nil {
		b.Fatal(err)
	}
	const listening = "0A"
	for _, line := range strings.Split(string(text), "\n")[1:] {
		f := strings.Fields(line) // number, local, remote, state, queues, timer, retransmits, user, timeout, inode
		if len(f) < 10 || f[3] == listening {
			continue
		}
		_, hex, _ := strings.Cut(f[1], ":")
		port, err := strconv.ParseUint(hex, 16, 16)
		if err != nil {
			b.Fatal(err)
		}
		out = append(out, connection{strconv.FormatUint(port, 10), f[9]})
	}
	return out
}

// wantNothingLeft waits until the gateway holds no more than before, or fails after a while.
func wantNothingLeft(b *testing.B, gateway *child, admin, addr string, before left) {
	b.Helper()
	var now left
	for range 100 {
		if now = held(b, gateway, admin, addr); now.within(before) {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	b.Errorf("left open: %+v, before it was %+v", now, before)
}
