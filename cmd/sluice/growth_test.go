package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"sluice/engine/keys"
)

// growth is a gateway that is larger than most in one way. The zero value is one upstream, one principal and one filter of a few lines.
type growth struct {
	upstreams  int  // 0 = one
	reached    bool // by the principal that asks; else it reaches the first alone
	filters    int
	principals int
	body       int // bytes of the prompt
	script     int // bytes of the filter's file, beside the filter
}

// counts is a filter that looks at every candidate, at what its config says and at how it does.
const counts = `
def filter(ctx, principal, candidates):
    return [c for c in candidates if c.healthy and c.in_flight < 1000 and c.name != "none"]
`

// config is the gateway's, before an upstream at a URL.
func (g growth) config(url string) string {
	var text strings.Builder
	text.WriteString("listen: 127.0.0.1:0\nadmin: {listen: 127.0.0.1:0}\nscripts: ./scripts\ndata: ./data\nbudgets: {time: 10s}\nupstreams:\n")
	for i := range max(1, g.upstreams) {
		fmt.Fprintf(&text, "  - {name: u%d, kind: anthropic_direct, base_url: %q, signer: {type: anthropic_key, key: k}}\n", i, url)
	}
	reach := ", upstreams: [u0]"
	if g.reached {
		reach = ""
	}
	text.WriteString("principals:\n")
	for i := range max(1, g.principals) {
		fmt.Fprintf(&text, "  - {name: p%d, keys: [%q]%s}\n", i, keys.Sum(fmt.Sprint("sk-sluice-", i)), reach)
	}
	text.WriteString("filters:\n")
	for i := range max(1, g.filters) {
		fmt.Fprintf(&text, "  - {name: f%d, script: filters/counts.star}\n", i)
	}
	return text.String()
}

func (g growth) start(b *testing.B) *live {
	p := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("content-type", "application/json")
		_, _ = io.WriteString(w, `{"type":"message","content":[],"usage":{"input_tokens":5,"output_tokens":2}}`)
	}))
	b.Cleanup(p.Close)
	dir := b.TempDir()
	l := &live{scripts: filepath.Join(dir, "scripts"), client: &http.Client{}}
	script := strings.Builder{}
	script.WriteString(counts)
	for i := 0; script.Len() < g.script; i++ {
		fmt.Fprintf(&script, "UNUSED_%d = [%d, %d]\n", i, i, i+1)
	}
	l.write(b, "filters/counts.star", script.String())
	config := filepath.Join(dir, "sluice.yaml")
	if err := os.WriteFile(config, []byte(g.config(p.URL)), 0o644); err != nil {
		b.Fatal(err)
	}
	l.serve(b, newBuilder(config), io.Discard)
	return l
}

// measure asks on one connection. The time is that of all processors, the client's and the provider's included.
func (g growth) measure(b *testing.B) {
	before := heap()
	l := g.start(b)
	held := heap() - before
	nc, err := net.Dial("tcp", l.listen[0].Addr().String())
	if err != nil {
		b.Fatal(err)
	}
	defer nc.Close()
	_ = nc.SetDeadline(time.Now().Add(5 * time.Minute))
	body := fmt.Sprintf(`{"model":"claude-sonnet-4-5","max_tokens":16,"messages":[{"role":"user","content":%q}]}`, strings.Repeat("a word ", 1+g.body/7))
	request := fmt.Appendf(nil, "POST /v1/messages HTTP/1.1\r\nhost: x\r\nx-api-key: sk-sluice-0\r\nanthropic-version: 2023-06-01\r\ncontent-length: %d\r\n\r\n%s",
		len(body), body)
	br := bufio.NewReader(nc)
	ask := func() {
		if _, err := nc.Write(request); err != nil {
			b.Fatal(err)
		}
		resp, err := http.ReadResponse(br, nil)
		if err != nil || resp.StatusCode != 200 {
			b.Fatalf("%v, %v", resp, err)
		}
		_, _ = io.Copy(io.Discard, resp.Body)
	}
	ask()
	start := processTime()
	for b.Loop() {
		ask()
	}
	b.ReportMetric(float64((processTime()-start).Microseconds())/float64(b.N), "cpu-µs/request")
	b.ReportMetric(held/(1<<10), "KiB-held")
}

// heap is what is in use, in bytes.
func heap() float64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc)
}

// processTime is what the process took of all processors.
func processTime() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkGrowth is what a request costs, and what the gateway holds, as its parts grow in number or in size. BenchmarkOpenStreams is the
// same for streams.
func BenchmarkGrowth(b *testing.B) {
	curve := func(name string, of func(n int) growth, sizes ...int) {
		for _, n := range sizes {
			b.Run(fmt.Sprintf("%s=%d", name, n), func(b *testing.B) { of(n).measure(b) })
		}
	}
	curve("candidates", func(n int) growth { return growth{upstreams: n, reached: true} }, 1, 10, 100, 1000)
	curve("upstreams", func(n int) growth { return growth{upstreams: n} }, 1, 10, 100, 1000)
	curve("chain", func(n int) growth { return growth{filters: n} }, 1, 5, 10, 20)
	curve("principals", func(n int) growth { return growth{principals: n} }, 1, 1000, 10_000, 100_000)
	curve("body", func(n int) growth { return growth{body: n} }, 1<<10, 32<<10, 1<<20, 30<<20)
	curve("script", func(n int) growth { return growth{script: n} }, 1<<10, 16<<10, 128<<10)
}
