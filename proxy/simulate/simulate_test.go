package simulate_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"sluice/proxy/simulate"
)

// patience is how long a test waits for what should come at once.
const patience = 20 * time.Second

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// start runs a provider whose clock stands still at noon, for the length of the test.
func start(t testing.TB, o simulate.Options) *simulate.Provider {
	t.Helper()
	o.Now = func() time.Time { return noon }
	p, err := simulate.Start(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

func dial(t testing.TB, p *simulate.Provider) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", strings.TrimPrefix(p.URL(), "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	return c
}

// request is the text of a request with a credential and a version, unless the lines given bring their own.
func request(method, path, body string, lines ...string) string {
	own := strings.ToLower(strings.Join(lines, "\n"))
	if !strings.Contains(own, "x-api-key:") && !strings.Contains(own, "authorization:") {
		lines = append(lines, "x-api-key: sk-test")
	}
	if !strings.Contains(own, "anthropic-version:") {
		lines = append(lines, "anthropic-version: 2023-06-01")
	}
	return fmt.Sprintf("%s %s HTTP/1.1\r\nhost: sim\r\n%s\r\ncontent-length: %d\r\n\r\n%s",
		method, path, strings.Join(lines, "\r\n"), len(body), body)
}

const (
	hello       = `{"model":"claude-x","max_tokens":100,"messages":[{"role":"user","content":"hello"}]}`
	helloStream = `{"model":"claude-x","max_tokens":100,"stream":true,"messages":[{"role":"user","content":"hello"}]}`
)

// talk sends text on a new connection and returns all that comes until the provider closes it, and why the reading ended.
func talk(t testing.TB, p *simulate.Provider, text string) (string, error) {
	t.Helper()
	c := dial(t, p)
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
	out, err := io.ReadAll(c)
	return string(out), err
}

// talkUntil is talk, but ends when what came ends in end, and leaves the connection open.
func talkUntil(t testing.TB, p *simulate.Provider, text, end string) (string, net.Conn) {
	t.Helper()
	c := dial(t, p)
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
	return readUntil(t, c, end), c
}

func readUntil(t testing.TB, c net.Conn, end string) string {
	t.Helper()
	var out []byte
	b := make([]byte, 4096)
	for !strings.HasSuffix(string(out), end) {
		n, err := c.Read(b)
		out = append(out, b[:n]...)
		if err != nil {
			t.Fatalf("read %q, then %v; want an end of %q", out, err, end)
		}
	}
	return string(out)
}

// do is one request as an HTTP client sees it.
func do(t testing.TB, p *simulate.Provider, method, path, body string, lines ...string) (*http.Response, string) {
	t.Helper()
	text, err := talk(t, p, request(method, path, body, append(lines, "connection: close")...))
	if err != nil {
		t.Fatal(err)
	}
	return parse(t, text, method)
}

func parse(t testing.TB, text, method string) (*http.Response, string) {
	t.Helper()
	resp, err := http.ReadResponse(bufio.NewReader(strings.NewReader(text)), &http.Request{Method: method})
	if err != nil {
		t.Fatalf("%v in %q", err, text)
	}
	out, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatalf("%v in %q", err, text)
	}
	return resp, string(out)
}

// chunksOf takes a chunked answer apart. rest is what follows the last whole chunk; the last chunk of a whole body is "".
func chunksOf(t testing.TB, answer string) (head string, chunks []string, rest string) {
	t.Helper()
	head, rest, ok := strings.Cut(answer, "\r\n\r\n")
	if !ok || !strings.Contains(head, "\r\nTransfer-Encoding: chunked") {
		t.Fatalf("got %q, want the head of a chunked answer", answer)
	}
	for {
		size, after, ok := strings.Cut(rest, "\r\n")
		n, err := strconv.ParseUint(size, 16, 32)
		if !ok || err != nil || len(after) < int(n)+2 {
			return head + "\r\n\r\n", chunks, rest
		}
		chunks = append(chunks, after[:n])
		rest = after[n+2:]
	}
}

// events are the chunks of the answer to a streamed request, which must be whole.
func events(t testing.TB, p *simulate.Provider, body string) []string {
	t.Helper()
	answer, _ := talkUntil(t, p, request("POST", "/v1/messages", body), "\r\n0\r\n\r\n")
	_, chunks, rest := chunksOf(t, answer)
	if rest != "" || chunks[len(chunks)-1] != "" {
		t.Fatalf("got chunks %q and %q, want a whole body", chunks, rest)
	}
	return chunks[:len(chunks)-1]
}

func ended(end simulate.End) func(simulate.Request) bool {
	return func(r simulate.Request) bool { return r.End == end }
}

func wait(t testing.TB, p *simulate.Provider, want func(simulate.Request) bool) simulate.Request {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	r, err := p.Wait(ctx, want)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func equal[T comparable](t testing.TB, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s:\n got %#v\nwant %#v", what, got, want)
	}
}

func TestCloseEndsEverythingAndLeavesNoGoroutine(t *testing.T) {
	p, err := simulate.Start(simulate.Options{Pace: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	dial(t, p)                                                                 // never asks
	talkUntil(t, p, request("GET", "/v1/models/claude-sonnet-5", ""), "}")     // idle
	talkUntil(t, p, request("POST", "/v1/messages", helloStream), "}\n\n\r\n") // in a stream
	if _, err := talk(t, p, "broken\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if err := p.Next("stall-head", "stall", "latency=1h", "giant"); err != nil {
		t.Fatal(err)
	}
	for i := range 4 {
		c := dial(t, p)
		if _, err := io.WriteString(c, request("POST", "/v1/messages", hello)); err != nil {
			t.Fatal(err)
		}
		wait(t, p, func(r simulate.Request) bool { return r.Number == i+3 })
	}
	equal(t, "open answers", p.Open(), 5)
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	for _, r := range p.Requests()[1:] {
		equal(t, fmt.Sprintf("end of request %d, %s", r.Number, r.Fault), r.End, simulate.Cut)
	}
	equal(t, "open answers after Close", p.Open(), 0)
	noGoroutineIn(t, "sluice/proxy/simulate.", "valyala/fasthttp.")
}

// noGoroutineIn fails if a goroutine stands in one of the packages. One that has done its last step may take a moment to be gone.
func noGoroutineIn(t *testing.T, packages ...string) {
	t.Helper()
	stacks := make([]byte, 1<<20)
	for deadline := time.Now().Add(patience); ; runtime.Gosched() {
		all := string(stacks[:runtime.Stack(stacks, true)])
		found := false
		for _, name := range packages {
			found = found || strings.Contains(all, name)
		}
		if !found {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("goroutines left:\n%s", all)
		}
	}
}

func TestServeEndsWithNilOnCloseAndRefusesASecondListener(t *testing.T) {
	t.Parallel()
	p, err := simulate.New(simulate.Options{})
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "URL before Serve", p.URL(), "")
	ln := listen(t)
	done := make(chan error, 1)
	go func() { done <- p.Serve(ln) }()
	c, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	if _, err := io.WriteString(c, request("HEAD", "/", "")); err != nil {
		t.Fatal(err)
	}
	readUntil(t, c, "\r\n\r\n")
	equal(t, "URL", p.URL(), "http://"+ln.Addr().String())

	second := listen(t)
	if err := p.Serve(second); err == nil || !strings.Contains(err.Error(), "already serving on "+ln.Addr().String()) {
		t.Errorf("second Serve: %v", err)
	}
	if _, err := second.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("the second listener is still open: %v", err)
	}
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Errorf("Serve: %v", err)
	}
	if err := p.Serve(listen(t)); !errors.Is(err, simulate.ErrClosed) {
		t.Errorf("Serve after Close: %v", err)
	}
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ln.Close() })
	return ln
}

func TestServeReturnsWhatEndedTheAcceptLoop(t *testing.T) {
	t.Parallel()
	p, err := simulate.New(simulate.Options{})
	if err != nil {
		t.Fatal(err)
	}
	ln := listen(t)
	broken := errors.New("no more descriptors")
	err = p.Serve(brokenListener{ln, broken})
	if !errors.Is(err, broken) {
		t.Errorf("Serve: %v, want %v", err, broken)
	}
}

type brokenListener struct {
	net.Listener
	err error
}

func (l brokenListener) Accept() (net.Conn, error) { return nil, l.err }

func TestOptionsThatMakeNoSenseAreNamed(t *testing.T) {
	t.Parallel()
	f := func(o simulate.Options, want string) {
		t.Helper()
		_, err := simulate.Start(o)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Start(%+v): %v, want %q in it", o, err, want)
		}
	}
	f(simulate.Options{Name: "a b"}, `name "a b"`)
	f(simulate.Options{Name: strings.Repeat("a", 65)}, "want 1 to 64")
	f(simulate.Options{Latency: -time.Second}, "latency -1s")
	f(simulate.Options{Pace: -time.Second}, "pace -1s")
	f(simulate.Options{Words: -1}, "words -1")
	f(simulate.Options{Burst: -1}, "burst -1")
	f(simulate.Options{Fault: "529x"}, `did you mean "529"?`)
}
