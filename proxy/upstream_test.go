package proxy_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"sluice/engine"
	"sluice/engine/promptcache"
	"sluice/proxy"
)

// signed seals a request to u.
func signed(t *testing.T, u *engine.Upstream, method, path string, body []byte, headers ...engine.Header) engine.Signed {
	t.Helper()
	var out engine.Signed
	strategy, _ := engine.NewStrategy("first-pick", 0)
	g := &engine.Generation{Number: 1, Strategy: strategy, Vitals: healthy{}, Upstreams: []*engine.UpstreamSlot{{Upstream: u, Signers: signer{},
		Dialect: &engine.DialectSlot{Dialect: engine.Passthrough{}, Meter: &engine.Meter{}}}}}
	x := &engine.Exchange{Principal: &engine.Principal{Name: "p"}, Request: &engine.RequestContext{Method: method, Path: path, Body: body, Headers: headers}}
	_, err := g.Serve(t.Context(), x, engine.TransportFunc(func(_ context.Context, s engine.Signed) (*engine.Response, error) {
		out = s
		return nil, errors.New("only sealed")
	}))
	if !out.Valid() {
		t.Fatal(err)
	}
	return out
}

func newTransport(t *testing.T, maxIdle int, keep time.Duration) *proxy.Transport {
	tr := proxy.NewTransport(maxIdle, keep)
	t.Cleanup(tr.Close)
	return tr
}

// roundTrip sends s and reads the answer to its end.
func roundTrip(tr *proxy.Transport, ctx context.Context, s engine.Signed) (int, string, error) {
	resp, err := tr.RoundTrip(ctx, s)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return resp.Status, string(b), err
}

func TestWhatWasNotSignedIsNotSent(t *testing.T) {
	if _, err := newTransport(t, 1, time.Minute).RoundTrip(t.Context(), engine.Signed{}); err != engine.ErrUnsigned {
		t.Errorf("got %v", err)
	}
}

func TestTheRequestOnTheWire(t *testing.T) {
	p := plays(t, answers(ok("{}")))
	tr := newTransport(t, 1, time.Minute)
	host := p.ln.Addr().String()
	f := func(want, method, path string, body string) {
		t.Helper()
		s := signed(t, p.upstream("a"), method, path, []byte(body), engine.Header{Name: "X-One", Value: "1"}, engine.Header{Name: "Accept-Encoding", Value: "br"})
		if _, _, err := roundTrip(tr, t.Context(), s); err != nil {
			t.Fatal(err)
		}
		sent := p.requests()
		if got := sent[len(sent)-1]; got != strings.ReplaceAll(want, "\n", "\r\n")+body {
			t.Errorf("%s: got\n%.300s\nwant\n%s", method, got, want)
		}
	}
	f("GET /v1/models HTTP/1.1\nHost: "+host+"\nX-One: 1\nx-api-key: provider-key\naccept-encoding: identity\n\n", "GET", "/v1/models", "")
	f("POST /v1/messages HTTP/1.1\nHost: "+host+"\nX-One: 1\nx-api-key: provider-key\naccept-encoding: identity\ncontent-length: 0\n\n", "POST", "/v1/messages", "")
	f("POST /v1/messages HTTP/1.1\nHost: "+host+"\nX-One: 1\nx-api-key: provider-key\naccept-encoding: identity\ncontent-length: 5\n\n", "POST", "/v1/messages", "12345")
	large := strings.Repeat("x", 3<<20+7)
	f("PUT /v1/x HTTP/1.1\nHost: "+host+"\nX-One: 1\nx-api-key: provider-key\naccept-encoding: identity\ncontent-length: 3145735\n\n", "PUT", "/v1/x", large)
	want(t, "connections", p.conns(), 1)
}

// TestADeadKeptConnectionIsReplacedOnce: the other side closed it while it was idle, or when it saw the request.
func TestADeadKeptConnectionIsReplacedOnce(t *testing.T) {
	f := func(name string, die func(s *stage), conns int, fails bool) {
		t.Helper()
		p := plays(t, func(s *stage) {
			s.next()
			s.say(ok("{}"))
			if s.number == 1 || fails {
				die(s)
				return
			}
			answers(ok("{}"))(s)
		})
		tr := newTransport(t, 4, time.Minute)
		s := signed(t, p.upstream("a"), "POST", "/v1/messages", []byte(hello))
		if _, _, err := roundTrip(tr, t.Context(), s); err != nil {
			t.Fatal(name, err)
		}
		_, body, err := roundTrip(tr, t.Context(), s)
		if err != nil || body != "{}" {
			t.Errorf("%s: %q, %v", name, body, err)
		}
		want(t, name+": connections", p.conns(), conns)
	}
	f("closed when it saw the request", func(s *stage) { s.next() }, 2, false)
	f("reset when it saw the request", func(s *stage) {
		_, _ = s.br.Peek(1)
		_ = s.Conn.(*net.TCPConn).SetLinger(0)
	}, 2, false)
	f("fresh ones die after one answer", func(s *stage) { s.next() }, 2, true)
}

// TestTheTraceShowsARequestThatWentOutAgain: the upstream may have seen it twice.
func TestTheTraceShowsARequestThatWentOutAgain(t *testing.T) {
	p := plays(t, func(s *stage) {
		s.next()
		s.say(ok("{}"))
		if s.number == 1 {
			s.next() // and closes
			return
		}
		answers(ok("{}"))(s)
	})
	r := newRig(t, p.upstream("a")).start()
	for range 2 {
		if got := r.do(post("/v1/messages", hello)); got.err != nil || got.StatusCode != 200 {
			t.Fatal(got.StatusCode, got.err)
		}
	}
	attempts := r.ledger.wait(t, 2)[1].Trace.Attempts
	if len(attempts) != 2 || attempts[0].Upstream != "a" || attempts[0].Error != "the kept connection was closed" || attempts[1].Status != 200 {
		t.Errorf("attempts %+v", attempts)
	}
	want(t, "requests", len(p.requests()), 3)
}

// TestAKeptConnectionThatClosesLateIsNotTriedAgain: the other side read the request and may have worked on it.
func TestAKeptConnectionThatClosesLateIsNotTriedAgain(t *testing.T) {
	p := plays(t, func(s *stage) {
		s.next()
		s.say(ok("{}"))
		s.next()
		<-time.After(250 * time.Millisecond) // longer than a connection that was dead before would take
	})
	tr := newTransport(t, 4, time.Minute)
	s := signed(t, p.upstream("a"), "POST", "/v1/messages", []byte(hello))
	if _, _, err := roundTrip(tr, t.Context(), s); err != nil {
		t.Fatal(err)
	}
	if _, body, err := roundTrip(tr, t.Context(), s); err == nil {
		t.Errorf("an answer %q came from nowhere", body)
	}
	want(t, "requests", len(p.requests()), 2)
	want(t, "connections", p.conns(), 1)
}

func TestAPreviewRepeatsNothingOfARequestItCannotRead(t *testing.T) {
	p := &engine.Principal{Name: "p", Paths: []string{"*"}}
	for _, raw := range []string{"POST /v1/messages\r\nx-api-key: sk-planted\r\n", "x-api-key: sk-planted", "POST / HTTP/1.1\nx-api-key sk-planted\n\n{}"} {
		if _, err := proxy.Understand([]byte(raw), p, promptcache.New()); err == nil || strings.Contains(err.Error(), "planted") {
			t.Errorf("%q: %v", raw, err)
		}
	}
	x, err := proxy.Understand([]byte("POST /v1/messages HTTP/1.1\nHost: h\nx-api-key: sk-planted\n\n{\"model\":\"m\"}"), p, promptcache.New())
	if err != nil || x.Request.Model != "m" {
		t.Errorf("a request as a person writes it: %v", err)
	}
}

func TestAFreshConnectionIsNotTriedAgain(t *testing.T) {
	p := plays(t, func(s *stage) { s.next() })
	_, _, err := roundTrip(newTransport(t, 4, time.Minute), t.Context(), signed(t, p.upstream("a"), "POST", "/v1/messages", []byte(hello)))
	if err == nil {
		t.Error("an answer came from nowhere")
	}
	want(t, "requests", len(p.requests()), 1)
}

func TestNothingIsSentAgainOnceAByteCame(t *testing.T) {
	f := func(said string) {
		t.Helper()
		p := plays(t, func(s *stage) {
			s.next()
			s.say(ok("{}"))
			s.next()
			s.say(said)
		})
		tr := newTransport(t, 4, time.Minute)
		s := signed(t, p.upstream("a"), "POST", "/v1/messages", []byte(hello))
		if _, _, err := roundTrip(tr, t.Context(), s); err != nil {
			t.Fatal(err)
		}
		if _, _, err := roundTrip(tr, t.Context(), s); err == nil {
			t.Errorf("%q: no error", said)
		}
		want(t, said+": requests", len(p.requests()), 2)
		want(t, said+": connections", p.conns(), 1)
	}
	f("H")
	f("HTTP/1.1 200 OK\r\n")
	f("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n")
	f("HTTP/1.1 100 Continue\r\n\r\n")
}

func TestOnlyAConnectionReadToItsEndIsKept(t *testing.T) {
	f := func(name, answer string, kept bool) {
		t.Helper()
		p := plays(t, answers(answer))
		tr := newTransport(t, 4, time.Minute)
		s := signed(t, p.upstream("a"), "GET", "/v1/models", nil)
		for range 2 {
			_, _, _ = roundTrip(tr, t.Context(), s)
		}
		if conns := p.conns(); kept != (conns == 1) {
			t.Errorf("%s: %d connections for two calls", name, conns)
		}
	}
	const chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
	f("length", ok("{}"), true)
	f("chunks", chunked+chunk("x")+lastChunk, true)
	f("chunks with a trailer", chunked+chunk("x")+"0\r\nA: b\r\n\r\n", true)
	f("no body", "HTTP/1.1 204 No Content\r\n\r\n", true)
	f("told to close", ok("{}", "Connection: close"), false)
	f("HTTP/1.0", "HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx", false)
	f("more than it announced", ok("{}")+"HTTP/1.1 200 OK\r\n", false)
	f("malformed", chunked+"x\r\n", false)
}

func TestAnAnswerGivenUpTakesItsConnectionAlong(t *testing.T) {
	gone := make(chan struct{}, 8)
	p := plays(t, func(s *stage) {
		s.next()
		s.say("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345")
		s.gone()
		gone <- struct{}{}
	})
	tr := newTransport(t, 4, time.Minute)
	s := signed(t, p.upstream("a"), "GET", "/v1/models", nil)
	resp, err := tr.RoundTrip(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	<-gone
	if _, err := resp.Body.Read(make([]byte, 1)); err == nil || err == io.EOF {
		t.Errorf("reading on: %v", err)
	}

	ctx, cancel := context.WithCancelCause(t.Context())
	if resp, err = tr.RoundTrip(ctx, s); err != nil {
		t.Fatal(err)
	}
	why := errors.New("why")
	cancel(why)
	<-gone
	if _, err := io.ReadAll(resp.Body); err != why {
		t.Errorf("the read ended in %v, want the cause", err)
	}
	want(t, "connections", p.conns(), 2)
}

func TestACancelledCallEndsWithItsCause(t *testing.T) {
	asked, gone := make(chan struct{}), make(chan struct{})
	p := plays(t, func(s *stage) {
		s.next()
		close(asked)
		s.gone()
		close(gone)
	})
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("why")
	go func() {
		<-asked
		cancel(why)
	}()
	if _, _, err := roundTrip(newTransport(t, 1, time.Minute), ctx, signed(t, p.upstream("a"), "GET", "/v1/models", nil)); err != why {
		t.Errorf("got %v", err)
	}
	<-gone
	if _, _, err := roundTrip(newTransport(t, 1, time.Minute), ctx, signed(t, p.upstream("a"), "GET", "/v1/models", nil)); err != why {
		t.Errorf("cancelled before: got %v", err)
	}
}

func TestAnUpstreamWithoutAHeadTimesOut(t *testing.T) {
	f := func(said string) {
		t.Helper()
		u := plays(t, func(s *stage) {
			s.next()
			s.say(said)
			s.gone()
		}).upstream("a")
		u.Timeouts.ResponseHeader = 30 * time.Millisecond
		r := newRig(t, u).start()
		got := r.do(post("/v1/messages", hello))
		want(t, said, got.code(), "504 upstream_timeout")
		want(t, said, r.ledger.wait(t, 1)[0].Code, engine.CodeUpstreamTimeout)
	}
	f("")
	f("HTTP/1.1 200 O")
	f("HTTP/1.1 100 Continue\r\n\r\n")
}

func TestAHeadThatIsNoneIsRefused(t *testing.T) {
	f := func(said string) {
		t.Helper()
		r := newRig(t, plays(t, rough(said)).upstream("a")).start()
		got := r.do(post("/v1/messages", hello))
		want(t, said[:min(40, len(said))], got.code(), "502 upstream_unreachable")
		for _, a := range r.ledger.wait(t, 1)[0].Trace.Attempts {
			if strings.Contains(a.Error, "secret") {
				t.Errorf("the trace repeats the upstream: %s", a.Error)
			}
		}
	}
	f("secret\r\n\r\n")
	f("HTTP/1.1 abc secret\r\n\r\n")
	f("HTTP/1.1 099 secret\r\n\r\n")
	f("HTTP/1.1 101 Switching Protocols\r\nUpgrade: secret\r\n\r\n")
	f("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\nX: secret\r\n\r\n")
	f("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n")
	f("HTTP/1.1 200 OK\r\nX: " + strings.Repeat("secret", 4000) + "\r\n\r\n")
	f(strings.Repeat("HTTP/1.1 103 Early Hints\r\n\r\n", 40))
	f("HTTP/1.1 200 OK\r\nX: secret")
}

// TestWhatCannotBecomeAHeadIsNotWaitedFor: the other side of another protocol says hello and then listens.
func TestWhatCannotBecomeAHeadIsNotWaitedFor(t *testing.T) {
	f := func(said string, what string) {
		t.Helper()
		u := plays(t, func(s *stage) {
			s.next()
			for _, piece := range strings.SplitAfter(said, "|") {
				s.say(strings.TrimSuffix(piece, "|"))
			}
			s.gone()
		}).upstream("a")
		u.Timeouts.ResponseHeader = time.Second
		r := newRig(t, u).start()
		want(t, said, r.do(post("/v1/messages", hello)).code(), what)
	}
	f("SSH-2.0-OpenSSH_9.9\r\n", "502 upstream_unreachable")
	f("220 smtp.test ESMTP", "502 upstream_unreachable")
	f("H|TTPS", "502 upstream_unreachable")
	f("\x15\x03\x01", "502 upstream_unreachable")
	f("HTTP/1.1 200 OK\nContent-Length: 2\n\n{}", "502 upstream_unreachable")
	f("\n", "502 upstream_unreachable")
	f("H|TTP|/1.1 200 OK\r|\nContent-Length: 2\r|\n\r|\n{}", "200 ")
	f("HTTP/1.1 200 OK\r\n", "504 upstream_timeout")
}

// TestAnAnswerBeforeTheEndOfTheRequestCounts: the upstream takes no more of it, and may not close the connection either.
func TestAnAnswerBeforeTheEndOfTheRequestCounts(t *testing.T) {
	f := func(name, scheme, answer string) {
		t.Run(name+", "+scheme, func(t *testing.T) {
			t.Parallel()
			heard := make(chan struct{})
			u := playsScheme(t, scheme, func(s *stage) {
				_, _ = s.br.Peek(1)
				s.say(answer)
				switch {
				case strings.HasPrefix(name, "ended"):
					_ = s.Conn.(interface{ CloseWrite() error }).CloseWrite()
				case strings.HasPrefix(name, "reset"):
					return
				}
				<-heard
			})
			ctx, cancel := context.WithTimeout(t.Context(), patience/4)
			defer cancel()
			status, body, err := roundTrip(newTransport(t, 1, time.Minute), ctx, signed(t, u, "POST", "/v1/files", make([]byte, 32<<20)))
			close(heard)
			if status != 413 || body != "{}" || err != nil {
				t.Errorf("got %d, %q, %v", status, body, err)
			}
		})
	}
	const answer = "HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n"
	for _, scheme := range []string{"http", "https"} {
		f("kept open", scheme, answer+"\r\n{}")
		f("after a hint", scheme, "HTTP/1.1 103 Early Hints\r\n\r\n"+answer+"\r\n{}")
		f("ended", scheme, answer+"Connection: close\r\n\r\n{}")
		f("reset", scheme, answer+"Connection: close\r\n\r\n{}")
	}
}

// TestAnUpstreamThatReadsSlowlyGetsAll: neither a pause nor a hint is the end of a request, which goes out to the letter.
func TestAnUpstreamThatReadsSlowlyGetsAll(t *testing.T) {
	large := make([]byte, 32<<20)
	for i := range large {
		large[i] = byte(i>>16 ^ i)
	}
	for _, scheme := range []string{"http", "https"} {
		t.Run(scheme, func(t *testing.T) {
			t.Parallel()
			u := playsScheme(t, scheme, func(s *stage) {
				_, _ = s.br.Peek(1)
				s.say("HTTP/1.1 100 Continue\r\n\r\n")
				<-time.After(800 * time.Millisecond) // longer than it takes to look for an answer twice
				for raw, more := s.next(); more; raw, more = s.next() {
					s.say(ok(fmt.Sprint(s.number, strings.HasSuffix(raw, "\r\n\r\n"+string(large)))))
				}
			})
			tr := newTransport(t, 1, time.Minute)
			for i, sent := range [][]byte{large, []byte("{}"), large} { // over one connection
				_, body, err := roundTrip(tr, t.Context(), signed(t, u, "POST", "/v1/files", sent))
				if want := fmt.Sprint(1, len(sent) > 2); body != want || err != nil {
					t.Errorf("request %d: got %q, %v, want %q", i, body, err, want)
				}
			}
		})
	}
}

// TestAnUpstreamThatTakesNothingIsGivenUp: it neither reads nor answers.
func TestAnUpstreamThatTakesNothingIsGivenUp(t *testing.T) {
	for _, scheme := range []string{"http", "https"} {
		over := make(chan struct{})
		u := playsScheme(t, scheme, func(s *stage) {
			_, _ = s.br.Peek(1)
			<-over
		})
		u.Timeouts.Idle = 100 * time.Millisecond
		_, _, err := roundTrip(newTransport(t, 1, time.Minute), t.Context(), signed(t, u, "POST", "/v1/files", make([]byte, 32<<20)))
		close(over)
		if !errors.Is(err, os.ErrDeadlineExceeded) || !errors.Is(err, engine.ErrUnsent) {
			t.Errorf("%s: got %v", scheme, err)
		}
	}
}

// playsScheme starts an upstream as plays does, under TLS if scheme is https.
func playsScheme(t *testing.T, scheme string, act func(s *stage)) *engine.Upstream {
	t.Helper()
	var config *tls.Config
	cert, der := selfSigned(t)
	if scheme == "https" {
		config = &tls.Config{Certificates: []tls.Certificate{cert}}
	}
	u := playsTLS(t, config, act).upstream("a")
	u.BaseURL.Scheme, u.Roots = scheme, roots(der)
	return u
}

func TestAnUpstreamThatIsNotThereIsUnreachable(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	base := "http://" + ln.Addr().String()
	ln.Close()
	r := newRig(t, upstream("a", base)).start()
	want(t, "code", r.do(post("/v1/messages", hello)).code(), "502 upstream_unreachable")
	row := r.ledger.wait(t, 1)[0]
	want(t, "upstream", row.Upstream, "a")
}

func TestAHandshakeThatDoesNotEndCountsAsConnecting(t *testing.T) {
	u := plays(t, func(s *stage) { s.gone() }).upstream("a")
	u.BaseURL.Scheme = "https"
	u.Timeouts.Connect = 30 * time.Millisecond
	r := newRig(t, u).start()
	want(t, "code", r.do(post("/v1/messages", hello)).code(), "502 upstream_unreachable")
}

func TestIdleConnectionsAreFewAndExpire(t *testing.T) {
	gone := make(chan int, 8)
	p := plays(t, func(s *stage) {
		answers(ok("{}"))(s)
		gone <- s.number
	})
	tr := newTransport(t, 2, 50*time.Millisecond)
	s := signed(t, p.upstream("a"), "GET", "/v1/models", nil)
	var open []*engine.Response
	for range 3 {
		resp, err := tr.RoundTrip(t.Context(), s)
		if err != nil {
			t.Fatal(err)
		}
		open = append(open, resp)
	}
	for _, resp := range open {
		_, _ = io.ReadAll(resp.Body)
	}
	want(t, "the third of two is closed at once", <-gone, 3)
	first, second := <-gone, <-gone
	if first+second != 3 {
		t.Errorf("%d and %d were closed", first, second)
	}
}

func TestOriginsDoNotShareConnections(t *testing.T) {
	p := plays(t, answers(ok("{}")))
	tr := newTransport(t, 4, time.Minute)
	a := p.upstream("a")
	b := *a
	b.BaseURL = &url.URL{Scheme: "http", Host: "localhost:" + a.BaseURL.Port()}
	for _, u := range []*engine.Upstream{a, &b, a, &b} {
		if _, _, err := roundTrip(tr, t.Context(), signed(t, u, "GET", "/v1/models", nil)); err != nil {
			t.Fatal(err)
		}
	}
	want(t, "connections", p.conns(), 2)
}

// TestAnUnaskedAnswerIsNobodys: bytes that an upstream sent on an idle connection must not answer the next request.
func TestAnUnaskedAnswerIsNobodys(t *testing.T) {
	said := make(chan struct{})
	p := plays(t, func(s *stage) {
		s.next()
		s.say(ok("mine"))
		if s.number == 1 {
			time.Sleep(20 * time.Millisecond)
			s.say(ok("not yours"))
			close(said)
		}
		answers(ok("mine"))(s)
	})
	tr := newTransport(t, 4, time.Minute)
	s := signed(t, p.upstream("a"), "GET", "/v1/models", nil)
	_, _, _ = roundTrip(tr, t.Context(), s)
	<-said
	time.Sleep(20 * time.Millisecond)
	if _, body, err := roundTrip(tr, t.Context(), s); body != "mine" {
		t.Errorf("got %q, %v", body, err)
	}
}
