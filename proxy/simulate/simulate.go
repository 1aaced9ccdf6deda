// Package simulate is a fake provider that speaks the wire of the Anthropic API: messages in both forms, token counts, models,
// files and batches, the API's errors and headers, and on demand the ways in which a provider or the network before it goes wrong.
//
// What an answer holds follows from the request alone:
//
//   - It says who answers and repeats the last text of the user.
//   - "use the tool" in that text, or a tool_choice of any or tool, makes it call the first tool of the request; "use the tools"
//     the first two, in parallel. The input has the required properties of the tool's schema.
//   - thinking of type enabled or adaptive puts a signed thinking block first.
//   - One word, or one fragment of a tool's input, is one token and one delta. max_tokens and stop_sequences cut.
//
// Nothing is random: ids count up, and times come from Options.Now.
package simulate

import (
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/valyala/fasthttp"
)

// ErrClosed is what Serve returns on a provider that was closed before.
var ErrClosed = errors.New("simulate: serve: the provider is closed")

// maxUpload is the largest request body that is read, in bytes.
const maxUpload = 64 << 20

// Options say who a provider is and how it answers. The zero value is a healthy provider named "sim".
type Options struct {
	Kind    string        // the wire it speaks, one of Kinds; "" is "anthropic"
	Name    string        // in ids and in the text of answers: letters, digits, '-' and '_'; "" is "sim"
	Latency time.Duration // before the head of every answer
	Pace    time.Duration // between two chunks of a stream
	Burst   int           // events in one chunk of a stream; 0 is 1
	Words   int           // words of a text answer, one delta each: it is cut or padded; 0 leaves it as long as it is
	Fault   string        // the standing fault, one of FaultModes; "" is none
	Models  []string      // what GET /v1/models lists and messages may name; nil lists a few and lets messages name any
	Key     string        // the credential wanted as x-api-key or bearer; "" takes any but wants one
	Secret  string        // of AWS: the key that a request must be signed with, under the kind's service; "" = of a signature only the form is looked at
	Keep    int           // how many of the last requests Requests remembers; 0 is 1000, below 0 none

	Now func() time.Time // stamps headers, objects and requests; nil is time.Now. Waits always take real time
}

// Provider is a running fake provider. All methods may be called from any goroutine.
type Provider struct {
	opts   Options
	models []object
	server *fasthttp.Server

	organization string

	running sync.WaitGroup // the accept loops and one goroutine a connection

	mu       sync.Mutex // guards all below
	ln       net.Listener
	addr     net.Addr      // of ln, also while it is closed
	turned   chan struct{} // closed when another fault stands, or the provider is closed; nil while nobody waits
	conns    map[*conn]struct{}
	closed   bool
	serveErr error // of the goroutine that Start began

	accepted int
	requests int // also the number that ids are made of
	open     int
	log      []*Request
	changed  chan struct{} // closed when log or a request in it changes; nil while nobody waits

	standing fault
	queue    []turn
	headers  []Header // set by SetHeader; replaced, never written
	unified  *unified

	files   []object // oldest first
	batches []object
}

// New checks the options and returns a provider that does not listen yet.
func New(o Options) (*Provider, error) {
	if o.Name == "" {
		o.Name = "sim"
	}
	if o.Kind == "" {
		o.Kind = KindAnthropic
	}
	if o.Keep == 0 {
		o.Keep = 1000
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	standing, err := parseFault(o.Fault)
	if err != nil {
		return nil, err
	}
	if err := o.check(); err != nil {
		return nil, err
	}
	p := &Provider{
		opts:         o,
		models:       modelObjects(o.Models),
		organization: organization(o.Name),
		conns:        make(map[*conn]struct{}),
		standing:     standing,
	}
	p.server = &fasthttp.Server{
		Name:                          "cloudflare",
		Handler:                       p.handle,
		ErrorHandler:                  p.handleBroken,
		Logger:                        log.New(io.Discard, "", 0),
		MaxRequestBodySize:            maxUpload,
		ReadBufferSize:                16 << 10, // also the limit of a request's head
		DisableHeaderNamesNormalizing: true,
		DisablePreParseMultipartForm:  true,
		NoDefaultContentType:          true,
		NoDefaultDate:                 true, // the default one would need a goroutine that never ends
	}
	return p, nil
}

func (o *Options) check() error {
	if !slices.Contains(Kinds, o.Kind) {
		return fmt.Errorf("simulate: kind %q: want %s", o.Kind, strings.Join(Kinds, ", "))
	}
	if !plainName(o.Name) {
		return fmt.Errorf("simulate: name %q: want 1 to 64 letters, digits, '-' and '_'", o.Name)
	}
	if o.Latency < 0 || o.Pace < 0 {
		return fmt.Errorf("simulate: latency %v, pace %v: want 0 or more", o.Latency, o.Pace)
	}
	if o.Words < 0 || o.Burst < 0 {
		return fmt.Errorf("simulate: words %d, burst %d: want 0 or more", o.Words, o.Burst)
	}
	return nil
}

func plainName(s string) bool {
	for _, c := range []byte(s) {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '_':
		default:
			return false
		}
	}
	return s != "" && len(s) <= 64
}

// Start returns a provider that listens on a free port of 127.0.0.1 until Close.
func Start(o Options) (*Provider, error) {
	p, err := New(o)
	if err != nil {
		return nil, err
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("simulate: listen: %w", err)
	}
	if err := p.bind(ln); err != nil {
		return nil, err
	}
	go func() {
		err := p.accept(ln)
		p.mu.Lock()
		p.serveErr = err
		p.mu.Unlock()
		p.running.Done()
	}()
	return p, nil
}

// Serve answers on ln, which it closes, until Close; then it returns nil. A provider serves one listener.
func (p *Provider) Serve(ln net.Listener) error {
	if err := p.bind(ln); err != nil {
		return err
	}
	defer p.running.Done()
	return p.accept(ln)
}

// bind makes ln the provider's own and counts its accept loop as running. On an error ln is closed.
func (p *Provider) bind(ln net.Listener) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.closed && p.ln == nil {
		p.ln, p.addr = ln, ln.Addr()
		p.running.Add(1)
		p.stand()
		return nil
	}
	_ = ln.Close()
	if p.closed {
		return ErrClosed
	}
	return fmt.Errorf("simulate: serve: already serving on %s", p.addr)
}

func (p *Provider) accept(ln net.Listener) error {
	defer func() { _ = ln.Close() }()
	for {
		nc, err := ln.Accept()
		if errors.Is(err, net.ErrClosed) {
			again, err := p.listenAgain()
			if again == nil {
				return err
			}
			ln = again
			continue
		}
		if err != nil {
			return fmt.Errorf("simulate: accept: %w", err)
		}
		if c := p.adopt(nc); c != nil {
			go p.serve(c)
		}
	}
}

// adopt makes nc one of the provider's connections. It returns nil where nobody is to serve it: when the provider is closed, which closes
// nc, and by the fault half-open.
func (p *Provider) adopt(nc net.Conn) *conn {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		_ = nc.Close()
		return nil
	}
	p.accepted++
	c := &conn{Conn: nc, number: p.accepted}
	p.conns[c] = struct{}{}
	if p.standing.name == halfOpen {
		c.held = true
		return nil
	}
	if p.standing.name == slowRead {
		c.slow = p.standing.wait
	}
	p.running.Add(1)
	return c
}

// serve is the goroutine of one connection. Its error says how the client went away, which the requests tell better.
func (p *Provider) serve(c *conn) {
	defer p.running.Done()
	_ = p.server.ServeConn(c)
	p.mu.Lock()
	delete(p.conns, c)
	p.mu.Unlock()
}

// URL is where the provider listens, like "http://127.0.0.1:4711", or "" before it does.
func (p *Provider) URL() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ln == nil {
		return ""
	}
	return "http://" + p.addr.String()
}

// Close closes the listener and all connections and waits for the goroutines that serve them. Answers in flight end as Cut. The
// error is the one that ended the accept loop of Start earlier, if one did.
func (p *Provider) Close() error {
	p.mu.Lock()
	p.closed = true
	if p.ln != nil {
		_ = p.ln.Close()
	}
	for c := range p.conns {
		_ = c.Close()
	}
	p.turn()
	p.mu.Unlock()
	p.running.Wait()

	p.mu.Lock()
	defer p.mu.Unlock()
	return p.serveErr
}
