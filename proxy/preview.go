package proxy

import (
	"bufio"
	"bytes"
	"time"

	"github.com/google/uuid"
	"github.com/valyala/fasthttp"

	"sluice/engine"
	"sluice/engine/promptcache"
)

// Understand reads a request that is not to be served: a JSON body, taken for a message, or a raw HTTP request. It passes the same checks
// as a served one but for its key, and comes out as scripts would see it, for a principal that it says the client's own credential of.
// What is known of prompt caches is asked as for a served one. An error is a *engine.Refusal.
func Understand(raw []byte, p *engine.Principal, caches *promptcache.Caches) (*engine.Exchange, error) {
	now := time.Now()
	id := uuid.Must(uuid.NewV7()).String()
	r := &engine.RequestContext{RequestID: id, Now: now, Seed: engine.SeedOf(id), Method: "POST", Path: "/v1/messages", Body: bytes.TrimSpace(raw)}
	x := &engine.Exchange{Request: r, Principal: p, Dry: true}
	if p.Disabled {
		return nil, refuseDisabled(p)
	}
	if !bytes.HasPrefix(r.Body, []byte("{")) {
		if err := parseRaw(raw, x); err != nil {
			return nil, err
		}
	}
	if !p.MayAskPath(r.Path) {
		return nil, refuse(engine.CodePathNotAllowed, "principal %q may not ask %s", p.Name, r.Path)
	}
	r.SessionID = sessionFrom(r.Headers)
	if refusal := understand(r, p); refusal != nil {
		return nil, refusal
	}
	if refusal := checkModelPath(r, p); refusal != nil {
		return nil, refusal
	}
	if r.Path == messagesPath {
		r.Forecast = caches.Forecast(r)
	}
	return x, nil
}

// parseRaw reads a raw request as a person writes it: its lines may end as they like, and all after the first empty one is the body. No
// error repeats any of it, since it may hold a key.
func parseRaw(raw []byte, x *engine.Exchange) error {
	text := bytes.ReplaceAll(bytes.TrimLeft(raw, " \t\r\n"), []byte("\r\n"), []byte("\n"))
	top, content, _ := bytes.Cut(text, []byte("\n\n"))
	top = append(bytes.ReplaceAll(bytes.TrimRight(top, "\n"), []byte("\n"), []byte("\r\n")), "\r\n\r\n"...)
	var req fasthttp.RequestHeader
	req.DisableNormalizing()
	if err := req.Read(bufio.NewReaderSize(bytes.NewReader(top), requestHead)); err != nil {
		return refuse(engine.CodeBadRequest, "want a JSON object or a raw HTTP request")
	}
	var h head
	if refusal := h.read(&req); refusal != nil {
		return refusal
	}
	if refusal := checkCoding(&h); refusal != nil {
		return refusal
	}
	key, _, own := presented(h.lines)
	if own {
		x.Client = clientCredential(h.lines, key)
	}
	r := x.Request
	r.Method, r.Path, r.Query = h.method, h.path, h.query
	r.Headers, r.Body = scriptHeaders(h.lines, key), content
	if refusal := h.translate(r); refusal != nil {
		return refusal
	}
	return nil
}
