package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"slices"
)

// SigningCapability is lent to a signer while Sign runs. Nothing else turns a Shaped into a Signed.
type SigningCapability struct {
	shaped *outgoing
	done   bool
}

var errSeal = errors.New("engine: a request was sealed twice, outside its Sign call, or is the zero value")

// Method is the request's method.
func (s Shaped) Method() string { return s.get().method }

// URL is the absolute address. The caller must not write to it.
func (s Shaped) URL() *url.URL { return s.get().to.url() }

// Headers may be edited by a signer, in place, until the seal.
func (s Shaped) Headers() *Headers {
	r := s.get()
	if !r.lent {
		most := r.lines() + 2
		both := make(Headers, 2*most) // the second half is for what is sealed
		r.lent, r.edited, r.room = true, append(append(both[:0:most], r.passed...), r.headers...), both[most:most]
	}
	return &r.edited
}

// SetCredential adds a line, and removes every other that may be a credential. It costs less than to edit Headers.
func (s Shaped) SetCredential(name, value string) {
	r := s.get()
	lines := &r.headers // what passed has none
	if r.lent {
		lines = &r.edited
	}
	*lines = slices.DeleteFunc(*lines, func(line Header) bool { return CredentialHeader(line.Name) })
	lines.Add(name, value)
}

// Body is the exact bytes to be sent. The caller must not write to it.
func (s Shaped) Body() []byte { return s.get().body }

func (s Shaped) get() *outgoing {
	if s.r == nil || s.r.consumed {
		return &outgoing{request: request{to: address{parsed: &url.URL{}}}} // of no use: nothing seals it
	}
	return s.r
}

// Seal consumes shaped and copies what somebody may still hold, so that nothing can change after it was signed. An error is a *SignerError: the capability was not lent for this request, or was used before.
func (c *SigningCapability) Seal(shaped Shaped) (Signed, error) {
	r := shaped.r
	if c == nil || c.done || r == nil || r.consumed || r != c.shaped {
		return Signed{}, &SignerError{SignerSigningFailed, errSeal.Error(), errSeal}
	}
	lines := r.headers
	if r.lent {
		lines = r.edited
	}
	for i := range lines {
		if line := &lines[i]; !r.passes(i, line) && !line.valid() {
			return Signed{}, &SignerError{Variant: SignerInvalidCredentials, Reason: "header " + line.Name + " holds CR, LF or NUL"}
		}
	}
	if r.lent {
		r.passed, r.headers = nil, append(r.room, lines...)
	}
	c.done, r.consumed = true, true
	if !r.shared {
		r.body = append([]byte(nil), r.body...)
	}
	return Signed{&r.request}, nil
}

// Signed is a sealed request, the only thing that a Transport sends. Its zero value is refused. Its field has another name than that of
// Shaped, or one could be converted into the other.
type Signed struct{ sealed *request }

// Valid reports whether s was sealed by a SigningCapability. A Transport must refuse any other.
func (s Signed) Valid() bool { return s.sealed != nil }

// ErrUnsigned is what a Transport answers to a request that is not Valid.
var ErrUnsigned = errors.New("engine: this request was never signed")

// Upstream is where the request goes.
func (s Signed) Upstream() *Upstream { return s.sealed.upstream }

// Method is the request's method.
func (s Signed) Method() string { return s.sealed.method }

// Scheme is http or https.
func (s Signed) Scheme() string { return s.sealed.to.scheme }

// Host is the host and port as the address names them.
func (s Signed) Host() string { return s.sealed.to.host }

// RequestURI is the path and query in wire form.
func (s Signed) RequestURI() string { return s.sealed.to.uri }

// HeaderLines is the number of header lines.
func (s Signed) HeaderLines() int { return s.sealed.lines() }

// HeaderLine returns the i-th header line.
func (s Signed) HeaderLine(i int) Header {
	if behind := i - len(s.sealed.passed); behind >= 0 {
		return s.sealed.headers[behind]
	}
	return s.sealed.passed[i]
}

// Body is the exact bytes to be sent. The caller must not write to it.
func (s Signed) Body() []byte { return s.sealed.body }

// String tells no header: a credential may be in it.
func (s Signed) String() string {
	if s.sealed == nil {
		return "unsigned"
	}
	return s.sealed.method + " " + origin(s.sealed.to.url())
}

// Format writes String, whatever the verb.
func (s Signed) Format(f fmt.State, _ rune) { io.WriteString(f, s.String()) }

// Format tells no header, whatever the verb.
func (s Shaped) Format(f fmt.State, _ rune) { io.WriteString(f, "shaped "+s.get().method) }

// Format tells nothing of the request.
func (*SigningCapability) Format(f fmt.State, _ rune) { io.WriteString(f, "capability") }

// Format tells nothing of the request, which a signer adds a credential to.
func (*ShapedRequestBuilder) Format(f fmt.State, _ rune) { io.WriteString(f, "builder") }

// shapeRequest lends d a builder for the length of one Shape call.
func shapeRequest(d Dialect, ctx *RequestContext, u *Upstream, p *Principal, s *State) (Shaped, []string, error) {
	b := &ShapedRequestBuilder{ctx: ctx, upstream: u, state: s}
	shaped, err := d.Shape(ctx, u, p, b)
	b.done = true
	if err == nil && (shaped.r == nil || shaped.r.upstream != u || shaped.r.consumed) {
		err = &DialectError{Variant: DialectUpstreamMismatch, Reason: "shape returned no request for upstream " + u.Name}
	}
	return shaped, b.dropped, err
}

// signRequest lends s a capability for the length of one Sign call.
func signRequest(ctx context.Context, s Signer, shaped Shaped) (Signed, error) {
	capability := &shaped.r.capability
	capability.shaped = shaped.r
	signed, err := s.Sign(ctx, shaped, capability)
	ok := capability.done
	capability.done = true
	if err == nil && (!ok || signed.sealed == nil) {
		err = &SignerError{Variant: SignerSigningFailed, Reason: "sign returned a request that it did not seal"}
	}
	return signed, err
}
