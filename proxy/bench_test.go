package proxy_test

import (
	"io"
	"net"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"sluice/engine"
	"sluice/proxy"
)

// instant is an upstream that answers every read with the same bytes, and takes no memory doing it.
func instant(b testing.TB, answer string) *engine.Upstream {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Add(1)
	go func() {
		defer wg.Done()
		for {
			nc, err := ln.Accept()
			if err != nil {
				return
			}
			wg.Add(1)
			go func() {
				defer wg.Done()
				defer nc.Close()
				buf, out := make([]byte, 64<<10), []byte(answer)
				for {
					if _, err := nc.Read(buf); err != nil {
						return
					}
					if _, err := nc.Write(out); err != nil {
						return
					}
				}
			}()
		}
	}()
	b.Cleanup(func() {
		ln.Close()
		wg.Wait()
	})
	return upstream("a", "http://"+ln.Addr().String())
}

// caller is a client that sends the same request again and again; all answers have the same length.
type caller struct {
	nc      net.Conn
	request []byte
	answer  []byte
}

func newCaller(b testing.TB, addr, request string) *caller {
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		b.Fatal(err)
	}
	c := &caller{nc: nc, request: []byte(request), answer: make([]byte, 64<<10)}
	_ = nc.SetDeadline(time.Now().Add(5 * time.Minute))
	if _, err := nc.Write(c.request); err != nil {
		b.Fatal(err)
	}
	n := 0
	for n == 0 || !strings.HasSuffix(string(c.answer[:n]), "}") && !strings.HasSuffix(string(c.answer[:n]), "0\r\n\r\n") {
		k, err := nc.Read(c.answer[n:])
		if err != nil {
			b.Fatal(err)
		}
		n += k
	}
	if !strings.HasPrefix(string(c.answer), "HTTP/1.1 200") {
		b.Fatalf("%s", c.answer[:n])
	}
	c.answer = c.answer[:n]
	return c
}

func (c *caller) call(b testing.TB) {
	if _, err := c.nc.Write(c.request); err != nil {
		b.Fatal(err)
	}
	if _, err := io.ReadFull(c.nc, c.answer); err != nil {
		b.Fatal(err)
	}
}

// quiet is a rig without anything that takes memory of its own.
func quiet(b testing.TB, u *engine.Upstream) *proxy.Server {
	strategy, _ := engine.NewStrategy("first-pick", 0)
	alice := &engine.Principal{ID: "alice", Name: "alice", Paths: []string{"/v1/messages"}}
	world := &engine.World{}
	world.Publish(&engine.Generation{Number: 1, Strategy: strategy, Vitals: healthy{}, Keys: keyring{"alice-key": alice},
		Limits:    engine.Limits{Body: 32 << 20, BodiesTotal: 1 << 30, Streams: 10000},
		Timeouts:  engine.Timeouts{ClientHeader: time.Minute, ClientBody: time.Minute, ClientWrite: time.Minute},
		Upstreams: []*engine.UpstreamSlot{{Upstream: u, Signers: signer{}, Dialect: &engine.DialectSlot{Dialect: engine.Passthrough{}, Meter: &engine.Meter{}}}}})
	tr := proxy.NewTransport(256, time.Minute)
	s := proxy.New(proxy.Options{World: world, Transport: tr, Notice: 1})
	b.Cleanup(tr.Close)
	return s
}

// claudeRequest has the headers that Claude Code sends.
var claudeRequest = request("POST", "/v1/messages?beta=true", helloStream, "Accept: application/json", "Authorization: Bearer alice-key",
	"Content-Type: application/json", "User-Agent: claude-cli/2.1.330 (external, sdk-cli)", "X-Claude-Code-Session-Id: 3a8f2c1e-5b1f-4a3e-9a55-0c5b4f1f2a77",
	"X-Stainless-Arch: x64", "X-Stainless-Lang: js", "X-Stainless-OS: Linux", "X-Stainless-Package-Version: 0.128.0", "X-Stainless-Retry-Count: 0",
	"X-Stainless-Runtime: node", "X-Stainless-Runtime-Version: v24.3.0", "X-Stainless-Timeout: 600",
	"anthropic-beta: claude-code-20250219,interleaved-thinking-2025-05-14", "anthropic-version: 2023-06-01", "x-app: cli", "Connection: keep-alive",
	"Accept-Encoding: gzip, deflate, br, zstd")

const upstreamHeaders = "request-id: req_011CVabcdefghijklmnopqrs\r\nanthropic-organization-id: 0d1b6a0c-0000-4000-8000-000000000000\r\n" +
	"anthropic-ratelimit-requests-limit: 4000\r\nanthropic-ratelimit-requests-remaining: 3999\r\nanthropic-ratelimit-requests-reset: 2026-11-22T00:00:00Z\r\n" +
	"anthropic-ratelimit-tokens-limit: 400000\r\nanthropic-ratelimit-tokens-remaining: 399999\r\nserver: cloudflare\r\ncf-ray: 8f00000000000000-FRA\r\n"

func benchmarkExchange(b *testing.B, clients int, answer string) {
	s := quiet(b, instant(b, answer))
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve(ln) }()
	callers := make(chan *caller, clients)
	for range clients {
		callers <- newCaller(b, ln.Addr().String(), claudeRequest)
	}
	b.ReportAllocs()
	b.ResetTimer()
	before := cpuTime()
	if clients == 1 {
		c := <-callers
		for b.Loop() {
			c.call(b)
		}
		callers <- c
	} else {
		b.SetParallelism(clients / 2)
		b.RunParallel(func(pb *testing.PB) {
			c := <-callers
			for pb.Next() {
				c.call(b)
			}
			callers <- c
		})
	}
	b.StopTimer()
	b.ReportMetric(float64((cpuTime()-before).Microseconds())/float64(b.N), "cpu-µs/op")
	for range clients {
		(<-callers).nc.Close()
	}
	if err := s.Shutdown(b.Context()); err != nil {
		b.Error(err)
	}
	<-served
}

// cpuTime is what the whole process took: client, gateway and upstream. It moves less than the clock where the machine is shared.
func cpuTime() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

var benchAnswers = map[string]string{
	"json":   strings.Replace(ok(`{"id":"msg_1","type":"message","content":[{"type":"text","text":"hi"}],"usage":{"input_tokens":5,"output_tokens":2}}`), "\r\n", "\r\n"+upstreamHeaders, 1),
	"events": strings.Replace(eventHead, "\r\n", "\r\n"+upstreamHeaders, 1) + chunk(start) + strings.Repeat(chunk(delta), 24) + chunk(usage) + chunk(stop) + lastChunk,
}

func BenchmarkJSON(b *testing.B)              { benchmarkExchange(b, 1, benchAnswers["json"]) }
func BenchmarkEvents(b *testing.B)            { benchmarkExchange(b, 1, benchAnswers["events"]) }
func BenchmarkJSONOf32Clients(b *testing.B)   { benchmarkExchange(b, 32, benchAnswers["json"]) }
func BenchmarkEventsOf32Clients(b *testing.B) { benchmarkExchange(b, 32, benchAnswers["events"]) }
