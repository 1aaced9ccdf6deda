package proxy

import (
	"bufio"
	"bytes"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/valyala/fasthttp"

	"sluice/engine"
)

// Understand reads a request that is not to be served: a JSON body, taken for a message, or a raw HTTP request. It passes the same checks
// as a served one but for its key, and comes out as scripts would see it. An error is a *engine.Refusal.
func Understand(raw []byte, p *engine.Principal) (*engine.RequestContext, error) {
	now := time.Now()
	id := uuid.Must(uuid.NewV7()).String()
	r := &engine.RequestContext{RequestID: id, Now: now, Seed: seedOf(id), Method: "POST", Path: "/v1/messages", Body: bytes.TrimSpace(raw)}
	if !mayNameModel(raw) {
		if err := parseRaw(raw, r); err != nil {
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
	return r, nil
}

func parseRaw(raw []byte, into *engine.RequestContext) error {
	var req fasthttp.Request
	req.Header.DisableNormalizing()
	if err := req.Read(bufio.NewReaderSize(bytes.NewReader(raw), requestHead)); err != nil {
		return &engine.Refusal{Code: engine.CodeBadRequest, Message: "want a JSON object or a raw HTTP request: " + err.Error(), Cause: err}
	}
	lines, _ := parseHeaders(string(req.Header.RawHeaders()))
	into.Method = string(req.Header.Method())
	into.Path, into.Query, _ = strings.Cut(string(req.Header.RequestURI()), "?")
	key, _, _ := presented(lines)
	into.Headers, into.Body = scriptHeaders(lines, key), bytes.Clone(req.Body())
	return nil
}
