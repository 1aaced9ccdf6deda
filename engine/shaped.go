package engine

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
)

// Shaped is a request translated for one upstream and not yet signed. Only a ShapedRequestBuilder makes one; its zero value is refused
// everywhere. Signing consumes it. No line of it is reserved.
type Shaped struct{ r *outgoing }

// outgoing is a request on its way from Shaped to Signed, in one piece of memory. The seal is that nobody outside this package holds one.
type outgoing struct {
	request
	consumed   bool
	lent       bool    // edited counts in the place of the request's own lines, until the seal
	edited     Headers // a signer may hold it
	room       Headers // for a copy of edited, which nobody else has
	capability SigningCapability
	credential [1]Header // room for a line behind those that passed
}

// request is what is to be sent.
type request struct {
	upstream *Upstream
	method   string
	to       address
	passed   Headers // its first lines, which were checked, and to which nobody writes
	headers  Headers // those behind them
	body     []byte
	shared   bool // body is the downstream request's own, which nobody writes
}

func (r *request) lines() int { return len(r.passed) + len(r.headers) }

// passes reports whether a line is the i-th of those that passed, which was checked.
func (r *request) passes(i int, line *Header) bool { return i < len(r.passed) && *line == r.passed[i] }

// Draft is what a dialect wants to send. It may be reused once the request was signed: what is sent was copied by then.
type Draft struct {
	Method  string
	URL     string // absolute; its origin must be the upstream's, or one it allows
	Headers Headers
	Body    []byte
}

// ShapedRequestBuilder is lent to a dialect while Shape runs. Afterwards it refuses to build.
type ShapedRequestBuilder struct {
	ctx      *RequestContext
	upstream *Upstream
	state    *State
	dropped  []string
	done     bool
	built    bool
	first    outgoing // that is built, mostly the only one
}

// State is what the dialect keeps of this attempt. It may be used beyond Shape, by the attempt's own calls.
func (b *ShapedRequestBuilder) State() *State { return b.state }

var errBuilderReturned = errors.New("engine: a builder was used after its Shape call returned")

// Build checks the draft and makes the shaped request. Headers that Sluice or a signer owns are dropped, see Dropped. An error is a
// *DialectError.
func (b *ShapedRequestBuilder) Build(d Draft) (Shaped, error) {
	if b == nil || b.ctx == nil || b.done {
		return Shaped{}, &DialectError{DialectUnsupportedRequest, errBuilderReturned.Error(), errBuilderReturned}
	}
	to, err := b.upstream.address(d.URL)
	if err != nil {
		return Shaped{}, err
	}
	r := b.room()
	r.to = to
	return b.build(r, &d)
}

// build makes r, whose address was checked, of d.
func (b *ShapedRequestBuilder) build(r *outgoing, d *Draft) (Shaped, error) {
	if err := b.takeHeaders(r, d.Headers); err != nil {
		return Shaped{}, err
	}
	if err := b.ctx.CheckMethod(d.Method); err != nil {
		return Shaped{}, err
	}
	if err := b.ctx.CheckBody(len(d.Body)); err != nil {
		return Shaped{}, err
	}
	r.upstream, r.method, r.body, r.shared = b.upstream, d.Method, d.Body, b.ctx.owns(d.Body)
	return Shaped{r}, nil
}

// room is where a request is built that nobody has yet.
func (b *ShapedRequestBuilder) room() *outgoing {
	if b.built {
		return new(outgoing)
	}
	b.built = true
	return &b.first
}

// Dropped names the headers of the draft that were not taken, in order.
func (b *ShapedRequestBuilder) Dropped() []string { return b.dropped }

func unsupported(format string, args ...any) error {
	return &DialectError{Variant: DialectUnsupportedRequest, Reason: fmt.Sprintf(format, args...)}
}

// CheckBody refuses a shaped body of so many bytes where it is larger than one that a client may send. An error is a *DialectError.
func (r *RequestContext) CheckBody(bytes int) error {
	if r.MaxBody > 0 && int64(bytes) > r.MaxBody {
		return unsupported("body of %d bytes, want at most limits.body: %d", bytes, r.MaxBody)
	}
	return nil
}

// CheckMethod refuses what cannot be the method of a shaped request. An answer to HEAD has no body, which a client with another method waits
// for. An error is a *DialectError.
func (r *RequestContext) CheckMethod(s string) error {
	switch {
	case len(s) > maxMethod:
		return unsupported("method of %d bytes, want at most %d", len(s), maxMethod)
	case !ValidName(s):
		return unsupported("method %q is not a token", s)
	case s == "HEAD" && r.Method != s:
		return unsupported("method HEAD for a client's %s, want one whose answer has a body", r.Method)
	}
	return nil
}

// maxMethod is the longest method, in bytes.
const maxMethod = 20

// maxURL is the longest address of a shaped request, in bytes.
const maxURL = 16 << 10

// CheckURL parses an address that a request shaped for u may go to. An error is a *DialectError.
func (u *Upstream) CheckURL(s string) (*url.URL, error) {
	bad := func(format string, args ...any) (*url.URL, error) {
		return nil, &DialectError{Variant: DialectInvalidURL, Reason: fmt.Sprintf(format, args...)}
	}
	if len(s) > maxURL {
		return bad("url of %d bytes, want at most %d", len(s), maxURL)
	}
	if strings.ContainsAny(s, "\\#") || strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r == 0x7f }) {
		return bad("url %q holds a backslash, a fragment, a space or a control character", s)
	}
	to, err := url.Parse(s)
	if err != nil {
		return bad("url %q cannot be parsed", s)
	}
	if to.User != nil || to.Opaque != "" {
		return bad("url %q names a user or has no path, want an absolute url without user info", s)
	}
	if !sameOrigin(to, u.BaseURL) && !u.allows(to) {
		return bad("url %q leaves upstream %q, want an origin of %s or one of allow_origins", s, u.Name, origin(u.BaseURL))
	}
	return to, nil
}

func (u *Upstream) allows(to *url.URL) bool {
	for _, allowed := range u.AllowOrigins {
		if o, err := url.Parse(allowed); err == nil && sameOrigin(to, o) {
			return true
		}
	}
	return false
}

// takeHeaders takes what may go out of h, with room for a signer's line. Lines that were looked at are not copied.
func (b *ShapedRequestBuilder) takeHeaders(r *outgoing, h Headers) error {
	if checked := b.ctx.Checked.of(h); checked != nil {
		r.passed, r.headers = checked.passing, r.credential[:0]
		return nil
	}
	r.headers = make(Headers, 0, len(h)+1)
	for i := range h {
		switch line := &h[i]; {
		case !ValidName(line.Name):
			return unsupported("header name %q is not a token", Cut(line.Name, MaxReason))
		case !line.oneLine():
			return unsupported("header %q: its value holds CR, LF or NUL", line.Name)
		case !reservedHeader(line.Name):
			r.headers = append(r.headers, *line)
		case b.ctx.Headers.Get(line.Name) != line.Value: // what the client sent goes without a word
			b.dropped = append(b.dropped, line.Name)
		}
	}
	return nil
}

// Checked is what lines of a client's may pass, found once for all requests that have them. Nil knows none.
type Checked struct {
	lines   Headers // nobody writes to them
	passing Headers // those of them that are not reserved
}

// Check looks at lines that nobody writes to any more. Where one of them cannot stand in a head it knows nothing: each request is told.
func Check(h Headers) *Checked {
	if slices.ContainsFunc(h, func(line Header) bool { return !line.valid() }) {
		return nil
	}
	reserved := func(line Header) bool { return reservedHeader(line.Name) }
	if !slices.ContainsFunc(h, reserved) { // as mostly: a head that never comes again is to cost little
		return &Checked{h, h}
	}
	return &Checked{h, slices.DeleteFunc(slices.Clone(h), reserved)}
}

// of is c where h is the very lines that were looked at, else nil.
func (c *Checked) of(h Headers) *Checked {
	if c == nil || len(h) == 0 || len(h) != len(c.lines) || &h[0] != &c.lines[0] {
		return nil
	}
	return c
}

// origin is "scheme://host:port" with the scheme's default port filled in.
func origin(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	return u.Scheme + "://" + strings.ToLower(u.Hostname()) + ":" + port
}

// sameOrigin reports whether a and b agree in scheme, host and port.
func sameOrigin(a, b *url.URL) bool {
	if a.Scheme == b.Scheme && a.Host == b.Host {
		return a.Host != ""
	}
	return a.Host != "" && origin(a) == origin(b)
}

func sameBytes(a, b []byte) bool {
	return len(a) == len(b) && (len(a) == 0 || &a[0] == &b[0])
}
