package proxy_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"

	"sluice/engine"
)

// selfSigned is a certificate for localhost that vouches for itself.
func selfSigned(t *testing.T) (tls.Certificate, []byte) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "localhost"}, DNSNames: []string{"localhost"},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, der
}

func TestATLSListenerServes(t *testing.T) {
	p := plays(t, answers(eventHead+chunk(start+stop)+lastChunk))
	r := newRig(t, p.upstream("a"))
	cert, der := selfSigned(t)
	r.options.TLS = &tls.Config{GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return &cert, nil }}
	r.start()
	c := newClient(t, tls.Client(r.dial().nc, &tls.Config{RootCAs: roots(der), ServerName: "localhost"}))
	for range 2 {
		want(t, "body", c.send(post("/v1/messages", helloStream)).read("POST").body, start+stop)
	}
	refused := c.send(headless("/v1/messages")).read("POST")
	want(t, "refused", refused.code(), "401 bad_key")
	if !c.ended() {
		t.Error("the connection goes on")
	}
	old := newClient(t, tls.Client(r.dial().nc, &tls.Config{RootCAs: roots(der), ServerName: "localhost"}))
	got := old.send(strings.Replace(post("/v1/messages", hello), "HTTP/1.1", "HTTP/1.0", 1)).read("POST")
	if got.body != start+stop || got.err != nil {
		t.Errorf("HTTP/1.0: %q, %v", got.body, got.err)
	}
	r.ledger.wait(t, 4)
}

func TestATLSHandshakeThatDoesNotEndTimesOut(t *testing.T) {
	r := newRig(t, upstream("a", "http://127.0.0.1:1"))
	cert, _ := selfSigned(t)
	r.options.TLS = &tls.Config{Certificates: []tls.Certificate{cert}}
	r.gen.Timeouts.ClientHeader = 20 * time.Millisecond
	r.start()
	c := r.dial().send("\x16\x03\x01")
	if b, err := c.br.ReadByte(); err == nil {
		t.Errorf("got byte %x, want the end", b)
	}
}

func TestAnUpstreamsCertificateIsVerified(t *testing.T) {
	cert, der := selfSigned(t)
	p := playsTLS(t, &tls.Config{Certificates: []tls.Certificate{cert}}, answers(ok("{}")))
	_, port, _ := net.SplitHostPort(p.ln.Addr().String())
	f := func(want, host string, roots *x509.CertPool) {
		t.Helper()
		u := upstream("a", "https://"+host+":"+port)
		u.Roots = roots
		r := newRig(t, u).start()
		c := r.dial()
		for range 2 {
			if got := c.send(post("/v1/messages", hello)).read("POST"); got.code() != want {
				t.Errorf("%s: got %s %s, want %s", host, got.code(), got.body, want)
			}
		}
	}
	f("200 ", "localhost", roots(der))
	want(t, "connections", p.conns(), 1)
	f("200 ", "127.0.0.1", roots(der))
	f("502 upstream_unreachable", "localhost", nil)
	f("502 upstream_unreachable", "localhost", x509.NewCertPool())
	f("502 upstream_unreachable", "127.0.0.2", roots(der))
}

func TestATLSUpstreamCutWithoutGoodbyeIsACut(t *testing.T) {
	cert, der := selfSigned(t)
	p := playsTLS(t, &tls.Config{Certificates: []tls.Certificate{cert}}, func(s *stage) {
		s.next()
		s.say("HTTP/1.1 200 OK\r\n\r\nhalf of it")
		s.Conn.(*tls.Conn).NetConn().Close()
	})
	u := upstream("a", strings.Replace(p.upstream("a").BaseURL.String(), "http:", "https:", 1))
	u.Roots = roots(der)
	r := newRig(t, u).start()
	if got := r.dial().send(post("/v1/messages", hello)); got != nil {
		b, _ := got.br.Peek(1)
		if len(b) > 0 {
			if resp := got.read("POST"); resp.err == nil {
				t.Errorf("it ends cleanly: %q", resp.body)
			}
		}
	}
	want(t, "code", r.ledger.wait(t, 1)[0].Code, engine.CodeUpstreamUnreachable)
}
