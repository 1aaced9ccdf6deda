package proxy_test

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"sluice/engine"
)

// play is an upstream that a test plays on raw connections, one goroutine each.
type play struct {
	t    testing.TB
	ln   net.Listener
	wg   sync.WaitGroup
	mu   sync.Mutex
	seen []string // whole requests, in order of arrival
	n    int      // connections
}

// stage is what a played upstream sees of one connection.
type stage struct {
	net.Conn
	play   *play
	br     *bufio.Reader
	number int // of the connection, from 1
}

// plays starts an upstream that runs act on every connection and then closes it.
func plays(t testing.TB, act func(s *stage)) *play {
	t.Helper()
	return playsTLS(t, nil, act)
}

func playsTLS(t testing.TB, config *tls.Config, act func(s *stage)) *play {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &play{t: t, ln: ln}
	p.wg.Add(1)
	go p.accept(config, act)
	t.Cleanup(func() {
		ln.Close()
		if !t.Failed() { // a test that stopped short may hold them
			p.wg.Wait()
		}
	})
	return p
}

func (p *play) accept(config *tls.Config, act func(s *stage)) {
	defer p.wg.Done()
	for {
		nc, err := p.ln.Accept()
		if err != nil {
			return
		}
		_ = nc.SetDeadline(time.Now().Add(patience))
		p.mu.Lock()
		p.n++
		number := p.n
		p.mu.Unlock()
		if config != nil {
			nc = tls.Server(nc, config)
		}
		p.wg.Add(1)
		go func() {
			defer p.wg.Done()
			defer nc.Close()
			act(&stage{nc, p, bufio.NewReader(nc), number})
		}()
	}
}

func (p *play) upstream(name string) *engine.Upstream {
	return upstream(name, "http://"+p.ln.Addr().String())
}

// requests are those that came so far.
func (p *play) requests() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.seen)
}

// conns is how many connections were made.
func (p *play) conns() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.n
}

// next reads one request, with its body, to the letter. It is false when the connection ended.
func (s *stage) next() (string, bool) {
	var raw strings.Builder
	length := 0
	for line := ""; line != "\r\n"; {
		var err error
		if line, err = s.br.ReadString('\n'); err != nil {
			return "", false
		}
		raw.WriteString(line)
		if v, found := strings.CutPrefix(line, "content-length: "); found {
			length, _ = strconv.Atoi(strings.TrimSpace(v))
		}
	}
	if _, err := io.CopyN(&raw, s.br, int64(length)); err != nil {
		return "", false
	}
	s.play.mu.Lock()
	defer s.play.mu.Unlock()
	s.play.seen = append(s.play.seen, raw.String())
	return raw.String(), true
}

func (s *stage) say(text string) { _, _ = io.WriteString(s, text) }

// gone returns when the other side closed the connection.
func (s *stage) gone() { _, _ = io.Copy(io.Discard, s.br) }

// answers plays an upstream that answers every request of a connection with the same bytes.
func answers(text string) func(*stage) {
	return func(s *stage) {
		for {
			if _, ok := s.next(); !ok {
				return
			}
			s.say(text)
		}
	}
}

// ok is a whole answer with a JSON body.
func ok(body string, headers ...string) string {
	return fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n%sContent-Length: %d\r\n\r\n%s", lines(headers), len(body), body)
}

func lines(headers []string) string {
	if len(headers) == 0 {
		return ""
	}
	return strings.Join(headers, "\r\n") + "\r\n"
}

const eventHead = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\nTransfer-Encoding: chunked\r\n\r\n"

// chunk is one chunk of a body.
func chunk(text string) string { return fmt.Sprintf("%x\r\n%s\r\n", len(text), text) }

const (
	lastChunk = "0\r\n\r\n"
	start     = "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_1\",\"usage\":{\"input_tokens\":7,\"cache_read_input_tokens\":3,\"output_tokens\":1}}}\n\n"
	delta     = "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"hi\"}}\n\n"
	usage     = "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"},\"usage\":{\"output_tokens\":9,\"input_tokens\":null}}\n\n"
	stop      = "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n"
	pingEvent = "event: ping\ndata: {\"type\": \"ping\"}\n\n"
)
