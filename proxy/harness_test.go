package proxy_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"sluice/engine"
	"sluice/proxy"
	"sluice/proxy/simulate"
)

// patience bounds every wait of a test: passing it is a failure, never a measure.
const patience = 20 * time.Second

// TestMain fails when a goroutine of ours is left after the last test.
func TestMain(m *testing.M) {
	code := m.Run()
	deadline := time.Now().Add(patience)
	for code == 0 {
		left := ourGoroutines()
		if len(left) == 0 {
			break
		}
		if time.Now().After(deadline) {
			fmt.Fprintf(os.Stderr, "%d goroutines are left, the first:\n%s\n", len(left), left[0])
			code = 1
		}
		runtime.Gosched()
		time.Sleep(10 * time.Millisecond)
	}
	os.Exit(code)
}

// ourGoroutines are the stacks that run code of ours or of the server, but for this one and fasthttp's clock.
func ourGoroutines() []string {
	dump := make([]byte, 1<<22)
	dump = dump[:runtime.Stack(dump, true)]
	var left []string
	for i, stack := range strings.Split(string(dump), "\n\n") {
		mine := strings.Contains(stack, "sluice/") || strings.Contains(stack, "fasthttp")
		if i > 0 && mine && !strings.Contains(stack, "updateServerDate") {
			left = append(left, stack)
		}
	}
	return left
}

// rig is a running server with one principal, "alice" with the key "alice-key", unless the test changed that.
type rig struct {
	t         testing.TB
	gen       *engine.Generation
	alice     *engine.Principal
	keys      keyring
	options   proxy.Options
	transport *proxy.Transport
	ledger    *ledger
	server    *proxy.Server
	addr      string
	served    chan error
}

func newRig(t testing.TB, upstreams ...*engine.Upstream) *rig {
	t.Helper()
	strategy, err := engine.NewStrategy("first-pick", 0)
	if err != nil {
		t.Fatal(err)
	}
	alice := &engine.Principal{ID: "alice", Name: "alice", Kind: engine.PrincipalAPIKey, Paths: []string{"*"}}
	r := &rig{t: t, alice: alice, keys: keyring{"alice-key": alice}, ledger: &ledger{}, served: make(chan error, 1)}
	r.gen = &engine.Generation{Number: 1, Strategy: strategy, Vitals: healthy{}, Keys: r.keys,
		Limits:   engine.Limits{Body: 1 << 20, FilesBody: 2 << 20, BodiesTotal: 8 << 20, Streams: 1000},
		Timeouts: engine.Timeouts{ClientHeader: patience, ClientBody: patience, ClientWrite: patience, Drain: patience}}
	for _, u := range upstreams {
		r.gen.Upstreams = append(r.gen.Upstreams, &engine.UpstreamSlot{Upstream: u, Signers: signer{},
			Dialect: &engine.DialectSlot{Dialect: engine.Passthrough{}, Meter: &engine.Meter{}}})
	}
	slices.SortFunc(r.gen.Upstreams, func(a, b *engine.UpstreamSlot) int { return bytes.Compare(a.ID[:], b.ID[:]) })
	r.transport = proxy.NewTransport(16, time.Minute)
	r.options = proxy.Options{World: &engine.World{}, Transport: r.transport, Ledger: r.ledger, Notice: time.Millisecond,
		Logf: func(format string, args ...any) { t.Logf(format, args...) }}
	return r
}

// start serves until the end of the test.
func (r *rig) start() *rig {
	r.t.Helper()
	r.options.World.Publish(r.gen)
	r.server = proxy.New(r.options)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		r.t.Fatal(err)
	}
	r.addr = ln.Addr().String()
	go func() { r.served <- r.server.Serve(ln) }()
	r.t.Cleanup(r.stop)
	return r
}

// stop shuts the server down at once and checks that everything was given back.
func (r *rig) stop() {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if !r.server.Draining() {
		for r.server.Metrics.Streams() > 0 && ctx.Err() == nil { // a watcher may have to notice that the test's client left
			time.Sleep(time.Millisecond)
		}
		if err := r.server.Shutdown(ctx); err != nil {
			r.t.Errorf("shutdown: %v", err)
		}
	}
	if err := <-r.served; err != nil {
		r.t.Errorf("serve: %v", err)
	}
	if n, b := r.server.Metrics.Streams(), r.server.Metrics.BodyBytes(); n != 0 || b != 0 {
		r.t.Errorf("%d exchanges and %d bytes of bodies are still counted", n, b)
	}
	r.transport.Close()
	closed := false
	r.gen.OnClose(func() { closed = true })
	r.options.World.Close()
	if !closed {
		r.t.Error("a lease of the generation was never released")
	}
}

// upstream is a direct upstream at a base address.
func upstream(name, base string) *engine.Upstream {
	u, err := url.Parse(base)
	if err != nil {
		panic(err)
	}
	return &engine.Upstream{ID: uuid.NewSHA1(uuid.NameSpaceURL, []byte("sluice:upstream:"+name)), Name: name,
		Kind: engine.KindAnthropicDirect, BaseURL: u, Weight: 1,
		Timeouts: engine.Timeouts{Connect: patience, ResponseHeader: patience, Idle: patience}}
}

type healthy struct{}

func (healthy) Vitals(*engine.Upstream, time.Time) *engine.Vitals {
	return &engine.Vitals{Healthy: true}
}

// keyring maps keys to principals.
type keyring map[string]*engine.Principal

func (k keyring) Lookup(key string, _ time.Time) (engine.Grant, error) {
	if p := k[key]; p != nil {
		return engine.Grant{Principal: p}, nil
	}
	return engine.Grant{}, &engine.Refusal{Code: engine.CodeBadKey, Message: "unknown key"}
}

// signer sets the provider's key.
type signer struct{}

func (s signer) Build(context.Context, *engine.Upstream) (engine.Signer, error) { return s, nil }
func (signer) Sign(_ context.Context, shaped engine.Shaped, c *engine.SigningCapability) (engine.Signed, error) {
	shaped.Headers().Set("x-api-key", "provider-key")
	return c.Seal(shaped)
}
func (signer) OnUnauthorized(context.Context, *engine.UpstreamError) engine.RetryDecision {
	return engine.Fail
}

// ledger counts the rows of each request.
type ledger struct {
	mu   sync.Mutex
	rows []*engine.Record
	more chan struct{}
}

func (l *ledger) Record(r *engine.Record) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.rows = append(l.rows, r)
	if l.more != nil {
		close(l.more)
		l.more = nil
	}
}

// wait returns the rows when there are n of them.
func (l *ledger) wait(t testing.TB, n int) []*engine.Record {
	t.Helper()
	timeout := time.After(patience)
	for {
		l.mu.Lock()
		rows := slices.Clone(l.rows)
		if l.more == nil {
			l.more = make(chan struct{})
		}
		more := l.more
		l.mu.Unlock()
		if len(rows) >= n {
			if len(rows) > n {
				t.Fatalf("%d rows, want %d", len(rows), n)
			}
			return rows
		}
		select {
		case <-more:
		case <-timeout:
			t.Fatalf("%d rows, want %d", len(rows), n)
		}
	}
}

// client is one connection of a client that writes raw bytes.
type client struct {
	t  testing.TB
	nc net.Conn
	br *bufio.Reader
}

func (r *rig) dial() *client {
	r.t.Helper()
	nc, err := net.Dial("tcp", r.addr)
	if err != nil {
		r.t.Fatal(err)
	}
	return newClient(r.t, nc)
}

func newClient(t testing.TB, nc net.Conn) *client {
	t.Cleanup(func() { nc.Close() })
	_ = nc.SetDeadline(time.Now().Add(patience))
	return &client{t, nc, bufio.NewReader(nc)}
}

func (c *client) send(parts ...string) *client {
	c.t.Helper()
	if _, err := io.WriteString(c.nc, strings.Join(parts, "")); err != nil {
		c.t.Fatalf("send: %v", err)
	}
	return c
}

// reply is an answer as the client got it.
type reply struct {
	*http.Response
	body string
	err  error // of reading the body
}

// read reads one answer to its end.
func (c *client) read(method string) reply {
	c.t.Helper()
	resp := c.head(method)
	b, err := io.ReadAll(resp.Body)
	return reply{resp, string(b), err}
}

// head reads the head of an answer.
func (c *client) head(method string) *http.Response {
	c.t.Helper()
	resp, err := http.ReadResponse(c.br, &http.Request{Method: method})
	if err != nil {
		c.t.Fatalf("read the answer: %v", err)
	}
	return resp
}

// ended reports whether the server closed the connection with nothing more to say.
func (c *client) ended() bool {
	_, err := c.br.ReadByte()
	return err == io.EOF
}

const hello = `{"model":"claude-x","max_tokens":64,"messages":[{"role":"user","content":"hi"}]}`
const helloStream = `{"model":"claude-x","max_tokens":64,"stream":true,"messages":[{"role":"user","content":"hi"}]}`

// post is a whole POST with alice's key. Headers are lines without their end.
func post(path, body string, headers ...string) string {
	return request("POST", path, body, append(headers, "x-api-key: alice-key")...)
}

// request is a whole request without a key.
func request(method, path, body string, headers ...string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nHost: sluice.test\r\n", method, path)
	for _, h := range headers {
		b.WriteString(h + "\r\n")
	}
	if body != "" || method == "POST" {
		fmt.Fprintf(&b, "Content-Length: %d\r\n", len(body))
	}
	b.WriteString("\r\n" + body)
	return b.String()
}

// do sends one request on a connection of its own and reads the answer.
func (r *rig) do(raw string) reply {
	r.t.Helper()
	method, _, _ := strings.Cut(raw, " ")
	return r.dial().send(raw).read(method)
}

// code is the x-sluice-error of the answer with its status.
func (p reply) code() string {
	return fmt.Sprintf("%d %s", p.StatusCode, p.Header.Get("x-sluice-error"))
}

// simulated starts a fake provider.
func simulated(t testing.TB, o simulate.Options) *simulate.Provider {
	t.Helper()
	p, err := simulate.Start(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	return p
}

// roots is a pool of one certificate.
func roots(der []byte) *x509.CertPool {
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		panic(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(cert)
	return pool
}

// want fails unless got is want.
func want[T comparable](t testing.TB, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

// filterFunc is a filter that the test plays.
type filterFunc struct {
	engine.Identity
	f func(*engine.RequestContext, *engine.Principal, []engine.UpstreamCandidate) (engine.FilterOutput, error)
}

func (f filterFunc) Filter(ctx *engine.RequestContext, p *engine.Principal, c []engine.UpstreamCandidate) (engine.FilterOutput, error) {
	return f.f(ctx, p, c)
}

// filter binds f to the global chain.
func (r *rig) filter(f func(*engine.RequestContext, *engine.Principal, []engine.UpstreamCandidate) (engine.FilterOutput, error)) {
	r.gen.Filters = append(r.gen.Filters, &engine.FilterSlot{Filter: filterFunc{engine.NewIdentity("", "played"), f}, Meter: &engine.Meter{}})
}

func keepAll(c []engine.UpstreamCandidate) engine.FilterOutput {
	var out engine.FilterOutput
	for i := range c {
		out.KeptUpstreamIDs = append(out.KeptUpstreamIDs, c[i].ID)
	}
	return out
}

// spySigner keeps the client's credential it was offered, and signs with none.
type spySigner struct {
	signer
	client engine.Credential
}

func (s *spySigner) WithRouterChoice(c engine.Credential, _ string) engine.SignerFactory {
	s.client = c
	return s
}

func newReader(s string) *bufio.Reader { return bufio.NewReader(strings.NewReader(s)) }

// newTee reads what the client gets, and keeps a copy.
func newTee(c *client, copy io.Writer) *bufio.Reader {
	return bufio.NewReader(io.TeeReader(c.br, copy))
}

func newReaderOf(r io.Reader) *bufio.Reader { return bufio.NewReader(r) }
