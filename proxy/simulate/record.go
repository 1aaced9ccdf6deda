package simulate

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/valyala/fasthttp"
)

// End says how an answer ended.
type End string

// The ends of an answer.
const (
	Running End = ""     // it has not ended
	Sent    End = "sent" // all of it went to the connection
	Cut     End = "cut"  // a fault or Close ended it early
	Gone    End = "gone" // the client closed its connection before the end
)

// Header is one header line, its name spelled as the client did.
type Header struct{ Name, Value string }

// Request is one request as it came over the wire. What its slices hold is never written again.
type Request struct {
	Number  int       // from 1, in the order of arrival
	Conn    int       // the connection, from 1; requests with equal numbers shared it
	Arrived time.Time // when all of it was read
	Method  string
	Path    string // not decoded, without the query
	Query   string // not decoded, without the "?"
	Headers []Header
	Body    []byte

	Fault string    // the name of the fault that its answer took, "none" without
	End   End       // how the answer ended
	Ended time.Time // when it ended, zero while it runs
}

// Header returns the first value under name, in any spelling, and "" without one.
func (r *Request) Header(name string) string {
	for _, h := range r.Headers {
		if strings.EqualFold(h.Name, name) {
			return h.Value
		}
	}
	return ""
}

// Requests returns the requests so far, oldest first, at most Options.Keep of them.
func (p *Provider) Requests() []Request {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.snapshot()
}

func (p *Provider) snapshot() []Request {
	out := make([]Request, len(p.log))
	for i, r := range p.log {
		out[i] = *r
	}
	return out
}

// Wait returns the oldest remembered request for which want holds, as soon as there is one.
func (p *Provider) Wait(ctx context.Context, want func(Request) bool) (Request, error) {
	for {
		p.mu.Lock()
		seen := p.snapshot()
		if p.changed == nil {
			p.changed = make(chan struct{})
		}
		changed := p.changed
		p.mu.Unlock()

		for _, r := range seen {
			if want(r) {
				return r, nil
			}
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return Request{}, fmt.Errorf("simulate: wait: none of %d requests is the wanted one: %w", len(seen), ctx.Err())
		}
	}
}

// Open is the number of answers in flight.
func (p *Provider) Open() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.open
}

// Accepted is the number of connections accepted so far.
func (p *Provider) Accepted() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.accepted
}

// begin records the request of ctx and decides how it is answered.
func (p *Provider) begin(ctx *fasthttp.RequestCtx) *exchange {
	path, query, _ := strings.Cut(string(ctx.Request.Header.RequestURI()), "?")
	c := ctx.Conn().(*conn)
	r := &Request{
		Conn:    c.number,
		Arrived: p.opts.Now(),
		Method:  string(ctx.Method()),
		Path:    path,
		Query:   query,
		Headers: parseHeaders(string(ctx.Request.Header.RawHeaders())),
		Body:    ctx.Request.Body(),
	}
	if p.opts.Keep > 0 {
		r.Body = append([]byte(nil), r.Body...)
	}
	x := &exchange{p: p, ctx: ctx, conn: c, req: r}

	p.mu.Lock()
	defer p.mu.Unlock()
	p.requests++
	p.open++
	r.Number = p.requests
	if !r.probe() {
		x.fault, x.verbatim = p.nextTurn()
		if wish, err := p.wish(r); err != nil {
			x.wrong = err
		} else if wish.name != "" {
			x.fault, x.verbatim = wish, nil
		}
	}
	r.Fault = x.fault.name
	c.short, c.left = x.fault.name == "reset-bytes", x.fault.n
	x.headers, x.unified = p.headers, p.unified
	p.remember(r)
	return x
}

// remember is called with the lock held.
func (p *Provider) remember(r *Request) {
	if p.opts.Keep < 0 {
		return
	}
	p.log = append(p.log, r)
	if len(p.log) > p.opts.Keep {
		p.log[0] = nil
		p.log = p.log[1:]
	}
	p.wake()
}

// finish records how the answer to r ended. Where the client sees the end, it is recorded before the client can see it.
func (p *Provider) finish(r *Request, end End) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.open--
	r.End, r.Ended = end, p.opts.Now()
	p.wake()
}

func (p *Provider) wake() {
	if p.changed != nil {
		close(p.changed)
		p.changed = nil
	}
}

// endOf tells what an error of the connection means for the answer on it.
func endOf(err error) End {
	switch {
	case err == nil:
		return Sent
	case errors.Is(err, net.ErrClosed):
		return Cut
	}
	return Gone
}

func parseHeaders(raw string) []Header {
	out := make([]Header, 0, strings.Count(raw, "\n"))
	for line := range strings.SplitSeq(raw, "\r\n") {
		if name, value, ok := strings.Cut(line, ":"); ok {
			out = append(out, Header{name, strings.Trim(value, " \t")})
		}
	}
	return out
}
