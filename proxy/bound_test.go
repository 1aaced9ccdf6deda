package proxy_test

import (
	"crypto/tls"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"sluice/proxy/simulate"
)

// TestTheBoundOfOneWaitIsNotThatOfTheNext: a connection is told of a moment once and keeps it in mind beyond the wait that it was for. Here it
// passes while an answer is made, while a connection is kept, and in the middle of a later wait.
func TestTheBoundOfOneWaitIsNotThatOfTheNext(t *testing.T) {
	t.Parallel()
	t.Run("of a client's head", func(t *testing.T) {
		t.Parallel()
		slow := simulated(t, simulate.Options{Latency: 300 * time.Millisecond})
		r := newRig(t, upstream("a", slow.URL()))
		r.gen.Timeouts.ClientHeader = 200 * time.Millisecond
		r.start()
		c := r.dial()
		raw := post("/v1/messages", hello, "anthropic-version: 2023-06-01")
		for range 3 {
			want(t, "answer", c.send(raw[:20]).send(raw[20:]).read("POST").code(), "200 ")
		}
	})
	t.Run("of an upstream's head", func(t *testing.T) {
		t.Parallel()
		const bound = time.Second
		slow := simulated(t, simulate.Options{Latency: 6 * bound / 10})
		u := upstream("a", slow.URL())
		u.Timeouts.ResponseHeader = bound
		r := newRig(t, u).start()
		c := r.dial()
		ask := func() {
			t.Helper()
			want(t, "answer", c.send(post("/v1/messages", hello, "anthropic-version: 2023-06-01")).read("POST").code(), "200 ")
		}
		ask()
		ask()             // the first one's bound passes in its middle
		time.Sleep(bound) // the last one's passes
		ask()
		for _, row := range r.ledger.wait(t, 3) {
			want(t, "attempts", len(row.Trace.Attempts), 1)
		}
	})
	t.Run("of a write", func(t *testing.T) {
		t.Parallel()
		const bound, pause, size = time.Second, 6 * time.Second / 10, 64 << 20
		p := plays(t, func(s *stage) {
			s.next()
			s.say("HTTP/1.1 200 OK\r\nContent-Length: 67108864\r\n\r\n")
			_, _ = io.Copy(s, io.LimitReader(letters{}, size))
		})
		r := newRig(t, p.upstream("a"))
		r.gen.Timeouts.ClientWrite = bound
		r.start()
		c := r.dial().send(post("/v1/messages", hello))
		resp, err := http.ReadResponse(c.br, nil)
		if err != nil {
			t.Fatal(err)
		}
		total := int64(0)
		for _, part := range []int64{size / 2, size} {
			time.Sleep(pause) // all writes wait
			n, _ := io.CopyN(io.Discard, resp.Body, part)
			total += n
		}
		want(t, "bytes", total, size)
	})
}

// letters reads as one letter without end.
type letters struct{}

func (letters) Read(p []byte) (int, error) { return copy(p, strings.Repeat("x", len(p))), nil }

// TestAClientThatIsTooSlowAgainIsLate: the bound of a wait counts also where one before it passed harmlessly. Under TLS clients are watched
// by whoever sets bounds on the same connection.
func TestAClientThatIsTooSlowAgainIsLate(t *testing.T) {
	t.Parallel()
	cert, der := selfSigned(t)
	for name, config := range map[string]*tls.Config{"plain": nil, "TLS": {Certificates: []tls.Certificate{cert}}} {
		slow := simulated(t, simulate.Options{Latency: 100 * time.Millisecond})
		r := newRig(t, upstream("a", slow.URL()))
		r.gen.Timeouts.ClientHeader, r.gen.Timeouts.ClientBody = 50*time.Millisecond, 50*time.Millisecond
		r.options.TLS = config
		r.start()
		raw := post("/v1/messages", hello, "anthropic-version: 2023-06-01")
		for _, late := range []string{raw[:len(raw)-1], raw[:20]} {
			c := r.dial()
			if config != nil {
				c = newClient(t, tls.Client(c.nc, &tls.Config{RootCAs: roots(der), ServerName: "localhost"}))
			}
			want(t, name, c.send(raw).read("POST").code(), "200 ")
			want(t, name+" late", c.send(late).read("POST").code(), "400 client_timeout")
		}
	}
}
