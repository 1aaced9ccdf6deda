package proxy

import (
	"cmp"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"

	"github.com/valyala/fasthttp"

	"sluice/engine"
)

// refusedMark is the header line by which the gate tells the handler its verdict. It is no token, so no client can send it.
const refusedMark = "(refused)"

// forever stands for a timeout that is not to be, where 0 would leave the last one in place.
const forever = 365 * 24 * time.Hour

// head is what the head of a request says. Requests with the same head share it: nobody writes to one that was judged.
type head struct {
	raw       string         // the lines as they stood on the wire
	from, to  int            // where the digits of the body's length stand in raw, of one that is remembered
	lines     engine.Headers // all of them, as they came
	shown     engine.Headers // those that scripts may see
	method    string
	uri       string // the address on the wire
	wire      wire
	asked     string // the raw path, in whatever shape
	path      string // of the API: raw, and in normal form if it was let in
	model     string // that the path of another shape names
	query     string
	key       string // the Sluice key it presented; a secret
	principal *engine.Principal
	keyID     string
	limiter   engine.Limiter
	ends      time.Time // when the key does, zero = never
	client    engine.Credential
	checked   *engine.Checked // shown
	session   string          // that shown tells, "" = none
	clientID  string          // by which the client knows the request, "" = none
}

// gate judges a request before any of its body is read. The body of a refused one is hidden from the server, which then calls the
// handler at once, even if the client never sends it. Of any other only the first byte is read before the handler runs.
func (s *Server) gate(h *fasthttp.RequestHeader) fasthttp.RequestConfig {
	config := fasthttp.RequestConfig{MaxRequestBodySize: 1}
	if n := h.ContentLength(); n == 0 || n == -2 {
		s.judged.take(h) // of a request before, whose client left before its body began
		hideExpect(h)
		return config
	}
	g := s.World.Lease()
	if g == nil {
		hide(h, errDraining)
		return config
	}
	defer g.Release()
	config.ReadTimeout = cmp.Or(g.Timeouts.ClientBody, forever)
	x := &exchange{server: s, judged: judgement{g.Number, time.Now()}}
	var refusal *engine.Refusal
	if x.head, refusal = s.judge(g, h, x.judged.at); refusal != nil {
		s.judged.take(h)
		hide(h, refusal)
		return config
	}
	s.judged.put(h, x)
	if v, ok := x.head.lines.Lookup("expect"); ok {
		hideExpect(h)
		h.Set(fasthttp.HeaderExpect, v) // the one spelling that the server knows
	}
	return config
}

// hide makes the server believe that there is no body, and leaves the verdict for the handler.
func hide(h *fasthttp.RequestHeader, r *engine.Refusal) {
	hideExpect(h)
	h.SetContentLength(0)
	h.Set(refusedMark, string(r.Code)+" "+r.Message)
}

// hideExpect removes Expect in every spelling.
func hideExpect(h *fasthttp.RequestHeader) {
	for _, name := range h.PeekKeys() {
		if engine.EqualFold(string(name), fasthttp.HeaderExpect) {
			h.DelBytes(name)
		}
	}
}

// verdict is what the gate left for the handler, nil if it let the request in.
func verdict(h *fasthttp.RequestHeader) *engine.Refusal {
	if h.ContentLength() != 0 {
		return nil // hide leaves it at 0, and to look for the mark takes time
	}
	mark := h.Peek(refusedMark)
	if len(mark) == 0 {
		return nil
	}
	code, message, _ := strings.Cut(string(mark), " ")
	return &engine.Refusal{Code: engine.Code(code), Message: message}
}

var errDraining = &engine.Refusal{Code: engine.CodeDraining, Message: "the gateway is shutting down"}

// judge reads the head of a request, as far as it gets, and says why the request is refused, nil = it is not.
func (s *Server) judge(g *engine.Generation, h *fasthttp.RequestHeader, now time.Time) (*head, *engine.Refusal) {
	of := s.heads.recall(g.Number, h, now)
	if of == nil || s.draining.Load() {
		of = new(head)
		refusal := s.examine(g, h, of, now)
		of.describe()
		if refusal != nil {
			return of, refusal
		}
		s.heads.keep(g.Number, of)
	}
	return of, s.checkBody(g, of, int64(h.ContentLength()))
}

// examine reads the head of a request into into, and says what is wrong with it, whatever its body is.
func (s *Server) examine(g *engine.Generation, h *fasthttp.RequestHeader, into *head, now time.Time) *engine.Refusal {
	refusal := into.read(h)
	switch {
	case s.draining.Load():
		return errDraining
	case refusal != nil:
		into.path = withoutKey(into.path)
		return refusal
	case s.LoopbackOnly && !FromLoopback(into.lines):
		return errForbiddenOrigin
	}
	if r := authenticate(g.Keys, into, now); r != nil {
		return r
	}
	if holdsKey(into.asked, into.key) || holdsKey(into.query, into.key) {
		into.path, into.query = "", "" // no row, script or observer sees it
		return refuse(engine.CodeBadRequest, "the address holds the key, which belongs into a header")
	}
	if !into.principal.MayAskPath(into.path) {
		return refuse(engine.CodePathNotAllowed, "principal %q may not ask %s", into.principal.Name, into.path)
	}
	return nil
}

var errForbiddenOrigin = refuse(engine.CodeForbiddenOrigin,
	"this listener answers local programs only: send a Host of localhost or a loopback address, and no Origin")

// read takes in the head of a request, all of it whatever is wrong with it.
func (into *head) read(h *fasthttp.RequestHeader) *engine.Refusal {
	into.method = known(h.Method())
	into.uri = known(h.RequestURI())
	into.asked, into.query, _ = strings.Cut(into.uri, "?")
	if into.method == "POST" {
		into.wire, into.model = wireOf(into.asked)
	}
	into.path = into.wire.canonical(into.asked)
	if !spoken(h) {
		return errVersion
	}
	into.raw = string(h.RawHeaders())
	lines, ok := parseHeaders(into.raw)
	into.lines = lines
	if !ok {
		return refuse(engine.CodeBadRequest, "a header line is folded, or has a space in its name")
	}
	return checkLine(into)
}

// describe notes what scripts, observers and the ledger see of the lines.
func (into *head) describe() {
	into.shown = scriptHeaders(into.lines, into.key)
	into.checked = engine.Check(into.shown)
	into.session, into.clientID = sessionFrom(into.shown), clientRequestID(into.shown)
}

// known is b as a string, without memory of its own where it is what most requests have.
func known(b []byte) string {
	switch string(b) {
	case "POST":
		return "POST"
	case messagesPath:
		return messagesPath
	case messagesPath + "?beta=true":
		return messagesPath + "?beta=true"
	}
	return string(b)
}

// spoken reports whether the request names a version of HTTP that is spoken here. The HTTP server takes any.
func spoken(h *fasthttp.RequestHeader) bool {
	version := string(h.Protocol())
	return version == "HTTP/1.1" || version == "HTTP/1.0"
}

var errVersion = refuse(engine.CodeBadRequest, "the request line names no version that is spoken here, want HTTP/1.1")

func refuse(code engine.Code, format string, args ...any) *engine.Refusal {
	return &engine.Refusal{Code: code, Message: fmt.Sprintf(format, args...)}
}

// FromLoopback reports whether no web page can have made the request: a browser sends the page's own host, or an Origin.
func FromLoopback(lines engine.Headers) bool {
	if _, ok := lines.Lookup("origin"); ok {
		return false
	}
	host := lines.Get("host")
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	if engine.EqualFold(strings.TrimSuffix(host, "."), "localhost") {
		return true
	}
	addr, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil && addr.IsLoopback()
}

// checkBody refuses what the head says of the body.
func (s *Server) checkBody(g *engine.Generation, h *head, length int64) *engine.Refusal {
	if r := checkCoding(h); r != nil {
		return r
	}
	if limit := bodyLimit(g, h.path); limit > 0 && length > limit {
		return tooLarge(limit)
	}
	switch {
	case s.LedgerFull != nil && s.LedgerFull():
		return errLedgerFull
	case full(s.Metrics.streams.Load()+1, g.Limits.Streams):
		return errTooManyStreams
	case full(s.Metrics.bodies.Load()+max(length, 0), g.Limits.BodiesTotal):
		return errTooManyBytes
	}
	return nil
}

var errLedgerFull = &engine.Refusal{Code: engine.CodeTooBusy, Message: "the gateway cannot keep account of requests: its ledger cannot be written"}

// checkCoding refuses a body that would have to be decoded to be understood.
func checkCoding(h *head) *engine.Refusal {
	for v := range h.lines.All("content-encoding") {
		if !engine.EqualFold(v, "identity") && v != "" {
			return refuse(engine.CodeBadBody, "content-encoding %q is not accepted, want identity", v)
		}
	}
	return nil
}

var (
	errTooManyStreams = refuse(engine.CodeTooBusy, "too many requests are open")
	errTooManyBytes   = refuse(engine.CodeTooBusy, "the bodies of all open requests take too much memory")
)

// full reports whether n is over a limit, 0 = there is none.
func full(n, limit int64) bool { return limit > 0 && n > limit }

func tooLarge(limit int64) *engine.Refusal {
	return refuse(engine.CodeBodyTooLarge, "the body is larger than %d bytes", limit)
}

// bodyLimit is the largest body that a path may have, in bytes, 0 = any.
func bodyLimit(g *engine.Generation, path string) int64 {
	if path == "/v1/files" || strings.HasPrefix(path, "/v1/files/") {
		return g.Limits.FilesBody
	}
	return g.Limits.Body
}
