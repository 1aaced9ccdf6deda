package proxy

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/textproto"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/valyala/fasthttp"

	"sluice/engine"
)

const fuzzKey = "sk-sluice-fuzz"

// FuzzHeaderRules sends a header block as a client and as an upstream. What ends at this hop, what Connection names, and what is or
// holds a credential reaches neither the scripts nor the upstream nor the client; every other line does, to the letter and in order.
func FuzzHeaderRules(f *testing.F) {
	for _, block := range []string{
		"anthropic-version: 2023-06-01\r\nanthropic-beta: a\r\nX-WeIrD: 1\r\nanthropic-beta: b\r\n",
		"Connection: keep-alive, X-Hop,x-two\r\nx-hop: 1\r\nX-Two: 2\r\nX-Three: 3\r\nKeep-Alive: 5\r\nTE: trailers\r\nTrailer: X-T\r\nUpgrade: h2c\r\n",
		"connection: close, anthropic-beta\r\nCONNECTION: x-request-id\r\nanthropic-beta: a\r\nx-request-id: 7\r\nClose: 1\r\n",
		"Connection: " + fuzzKey + ", X-Hop\r\nX-Hop: 1\r\nX-Copy: a " + fuzzKey + " b\r\n",
		"Cookie: c=1\r\ncookie: d=2\r\nProxy-Authorization: x\r\nX-Amz-Date: x\r\nx-goog-user: x\r\nX-Sluice-Tag: x\r\nAPI-Key: x\r\nAuthorization: Bearer x\r\n",
		"Set-Cookie: a=1\r\nset-cookie: b\r\nCF-Ray: 1\r\ncf-: x\r\nServer: x\r\nContent-Type: a\r\ncontent-type: b\r\nContent-Encoding: br\r\nDate: x\r\n",
		"Transfer-Encoding: chunked\r\nX: y\r\n", "Content-Length: 5\r\nX: y\r\n",
		"Expect: 100-continue\r\nexpect: x\r\nAccept-Encoding: br\r\n",
		"X: a\r\n b\r\n", "X A: b\r\n", "X : b\r\n", ": b\r\n", "X:\r\n", "X\r\n", "X: a\nY: b\r\n", "X: a\rb\r\n",
		"X: a\x00b\r\n", "X: \xff\x80\t~ \t\r\n",
		"X: a\r\n\r\nY: b\r\n", "\r\n", " X: a\r\n", "Host: two\r\n", "Connection: ,, ,\r\nconnection:\r\n",
		"Proxy-Connection: x\r\nproxy-authenticate: y\r\n", "TrAiler:\"\r\n", "X\t: b\r\n",
		strings.Repeat("a:b\r\n", 300), "Connection: " + strings.Repeat("a,", 300) + "b\r\na: 1\r\nb: 2\r\nc: 3\r\n",
	} {
		f.Add(block)
	}
	f.Fuzz(func(t *testing.T, block string) {
		request(t, block)
		answer(t, block)
	})
}

// request plays a client.
func request(t *testing.T, block string) {
	var h fasthttp.RequestHeader
	h.DisableNormalizing()
	raw := "POST /v1/messages HTTP/1.1\r\nHost: sluice.test\r\nx-api-key: " + fuzzKey + "\r\n" + block + "\r\n"
	if h.Read(bufio.NewReaderSize(strings.NewReader(raw), requestHead)) != nil {
		return
	}
	lines, ok := parseHeaders(string(h.RawHeaders()))
	if !ok {
		return
	}
	agree(t, raw, lines)
	want := survivors(lines, func(name, value string) bool {
		return slices.Contains([]string{"host", "content-length", "expect", "accept-encoding", "authorization", "x-api-key",
			"api-key", "cookie", "set-cookie"}, name) ||
			anyPrefix(name, "x-sluice-", "x-amz-", "x-goog-") || strings.Contains(value, fuzzKey)
	})
	before := slices.Clone(lines)
	seen := scriptHeaders(lines, fuzzKey)
	if !slices.Equal(seen, want) || !slices.Equal(lines, before) {
		t.Errorf("%q:\nscripts see %q\n       want %q\n      lines %q", block, seen, want, lines)
	}
	sent := sentHead(t, seen)
	framing := "accept-encoding: identity\r\ncontent-length: 2\r\n\r\n"
	head := "POST /v1/messages HTTP/1.1\r\nHost: up.test\r\n" + text(slices.DeleteFunc(want,
		own)) + "x-api-key: provider\r\n" + framing
	if sent != head {
		t.Errorf("%q:\nupstream gets %q\n        want %q", block, sent, head)
	}
}

// own are names that a dialect must not set either, though a client may send them.
func own(line engine.Header) bool {
	return strings.EqualFold(line.Name, "request-id") || strings.EqualFold(line.Name, "set-cookie")
}

// answer plays an upstream. Another parser must make the same of its head.
func answer(t *testing.T, block string) {
	var h fasthttp.ResponseHeader
	h.DisableNormalizing()
	h.SetNoDefaultContentType(true)
	raw := "HTTP/1.1 200 OK\r\n" + block + "\r\n"
	head, err := parseAnswerHead([]byte(raw)[:max(headEnd([]byte(raw)), 0)])
	if err != nil {
		return
	}
	err = h.Read(bufio.NewReaderSize(strings.NewReader(raw), upstreamBuffer))
	if errors.Is(err, fasthttp.ErrBadTrailer) { // trailers go nowhere, so none is bad
		return
	}
	if err != nil {
		t.Fatalf("%q passes, but %v", raw, err)
	}
	if head.length >= -1 && (head.length != int64(h.ContentLength()) || h.ConnectionClose() && !head.closing) {
		t.Errorf("%q: length %d, closing %v, want %d, %v", raw, head.length, head.closing, h.ContentLength(), h.ConnectionClose())
	}
	var lines engine.Headers
	for line := range strings.SplitSeq(raw[len("HTTP/1.1 200 OK\r\n"):headEnd([]byte(raw))-len("\r\n")], "\r\n") {
		if name, value, found := strings.Cut(line, ":"); found {
			lines = append(lines, engine.Header{Name: strings.TrimRight(name, " "), Value: strings.Trim(value, " \t")})
		}
	}
	want := survivors(lines, func(name, _ string) bool {
		return slices.Contains([]string{"set-cookie", "content-length", "date"}, name) || anyPrefix(name, "x-sluice-",
			"cf-") || strings.Contains(name, " ")
	})
	out := string(append(appendHeaders(appendStatus(nil, 200, time.Now()), endToEnd(head.lines), nil, "our-id"), "\r\n"...))
	id := engine.Header{Name: "request-id", Value: "our-id"}
	if slices.ContainsFunc(want, func(l engine.Header) bool { return strings.EqualFold(l.Name, id.Name) }) {
		id.Name = "x-sluice-request-id"
	}
	got, err := http.ReadResponse(bufio.NewReader(strings.NewReader(out)), nil)
	if err != nil {
		t.Fatalf("%q: the answer's head %q: %v", block, out, err)
	}
	got.Body.Close()
	lines = lines[:0]
	for line := range strings.SplitSeq(strings.TrimSuffix(out, "\r\n\r\n"), "\r\n") {
		if name, value, found := strings.Cut(line, ": "); found && name != "Date" {
			lines = append(lines, engine.Header{Name: name, Value: value})
		}
	}
	want = append(want, id)
	if !slices.Equal(lines, want) {
		t.Errorf("%q:\nclient gets %q\n       want %q", block, lines, want)
	}
}

// survivors is the rule in its plainest form.
func survivors(lines engine.Headers, dropped func(name, value string) bool) engine.Headers {
	hop := []string{"connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection", "te", "trailer",
		"transfer-encoding", "upgrade"}
	for _, line := range lines {
		if strings.EqualFold(line.Name, "connection") {
			for name := range strings.SplitSeq(line.Value, ",") {
				if name = strings.ToLower(strings.Trim(name, " \t")); name != "close" {
					hop = append(hop, name)
				}
			}
		}
	}
	kept := engine.Headers{}
	for _, line := range lines {
		if name := strings.ToLower(line.Name); !slices.Contains(hop, name) && !dropped(name, line.Value) {
			kept = append(kept, line)
		}
	}
	return kept
}

func anyPrefix(s string, prefixes ...string) bool {
	return slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(s, p) })
}

// agree holds our reading of a head against the library's, where that takes it.
func agree(t *testing.T, raw string, lines engine.Headers) {
	_, rest, _ := strings.Cut(raw, "\r\n")
	theirs, err := textproto.NewReader(bufio.NewReader(strings.NewReader(rest))).ReadMIMEHeader()
	if err != nil {
		return
	}
	ours := textproto.MIMEHeader{}
	for _, line := range lines {
		ours.Add(line.Name, line.Value)
	}
	if fmt.Sprint(ours) != fmt.Sprint(theirs) {
		t.Errorf("%q: got %q, the library %q", raw, ours, theirs)
	}
}

func text(lines engine.Headers) string {
	var b strings.Builder
	for _, line := range lines {
		b.WriteString(line.Name + ": " + line.Value + "\r\n")
	}
	return b.String()
}

// sentHead is the head with which a request of these headers goes upstream.
func sentHead(t *testing.T, headers engine.Headers) (head string) {
	u := &engine.Upstream{ID: uuid.Nil, Name: "up", Kind: engine.KindAnthropicDirect, BaseURL: &url.URL{Scheme: "http",
		Host: "up.test"}}
	strategy, _ := engine.NewStrategy("first-pick", 0)
	g := &engine.Generation{Number: 1, Strategy: strategy, Vitals: well{}, Upstreams: []*engine.UpstreamSlot{{Upstream: u,
		Signers: provider{},
		Dialect: &engine.DialectSlot{Dialect: engine.Passthrough{}, Meter: &engine.Meter{}}}}}
	x := &engine.Exchange{Principal: &engine.Principal{Name: "p"}, Request: &engine.RequestContext{Method: "POST",
		Path: "/v1/messages", Body: []byte("{}"), Headers: headers}}
	_, err := g.Serve(context.Background(), x, engine.TransportFunc(func(_ context.Context, s engine.Signed) (*engine.Response,
		error) {
		head = strings.TrimSuffix(string(appendHead(nil, s)), "{}")
		return nil, errors.New("only looked at")
	}))
	if head == "" {
		t.Fatalf("%q was not sent: %v", headers, errors.Unwrap(err))
	}
	return head
}

// well says that all is well with every upstream.
type well struct{}

func (well) Vitals(*engine.Upstream, time.Time) *engine.Vitals { return &engine.Vitals{Healthy: true} }

// provider signs with the provider's key.
type provider struct{}

func (p provider) Build(context.Context, *engine.Upstream) (engine.Signer, error) { return p, nil }
func (provider) OnUnauthorized(context.Context, *engine.UpstreamError) engine.RetryDecision {
	return engine.Fail
}
func (provider) Sign(_ context.Context, shaped engine.Shaped, c *engine.SigningCapability) (engine.Signed, error) {
	shaped.Headers().Set("x-api-key", "provider")
	return c.Seal(shaped)
}
