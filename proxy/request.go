package proxy

import (
	"iter"
	"strings"

	"github.com/google/uuid"

	"sluice/engine"
	"sluice/engine/body"
)

// routed are the keys of a body that decide what becomes of the request. A body that has one of them twice, or in other case, is refused:
// two parsers may differ on which counts.
var routed = []string{"model", "stream", "max_tokens", "messages", "metadata", "service_tier", "fallbacks", "requests", "container"}

// understand reads what of the body the gateway acts on into r.
func understand(r *engine.RequestContext, p *engine.Principal) *engine.Refusal {
	if !mustBeJSON(r) && !(p.Models != nil && mayNameModel(r)) {
		return nil
	}
	top := new(body.Top)
	if err := top.Scan(r.Body, routed...); err != nil {
		return refuse(engine.CodeBadBody, "the body is not valid: %v", err)
	}
	if top.Value().Kind() != body.Object {
		return refuse(engine.CodeBadBody, "the body is a %s, want an object", top.Value().Kind())
	}
	r.Index = top
	if refusal := checkModels(r, top, p); refusal != nil {
		return refusal
	}
	if v, ok := top.Get("stream"); ok {
		r.Stream, _ = v.Bool()
	}
	if v, ok := top.Get("max_tokens"); ok {
		r.MaxTokens, _ = v.Int()
	}
	if v, ok := top.Get("service_tier"); ok {
		r.ServiceTier, _ = v.Text()
	}
	if r.SessionID == "" {
		if v, ok := top.Get("metadata"); ok {
			r.SessionID = sessionOf(v)
		}
	}
	return nil
}

// mustBeJSON reports whether a request has no sense without a JSON body. Only a batch is cancelled without one.
func mustBeJSON(r *engine.RequestContext) bool {
	switch r.Path {
	case "/v1/messages", "/v1/messages/count_tokens", "/v1/messages/batches":
		return r.Method == "POST"
	}
	return r.Method == "POST" && len(r.Body) > 0 && strings.HasPrefix(r.Path, "/v1/messages/")
}

// mayNameModel reports whether a body of any other path is to be held against an allow-list: all but uploads.
func mayNameModel(r *engine.RequestContext) bool { return !r.Uploads() }

// checkModels takes the model out of the body, and refuses a request that names any the principal may not ask for.
func checkModels(r *engine.RequestContext, top *body.Top, p *engine.Principal) *engine.Refusal {
	c := models{p: p}
	if v, ok := top.Get("model"); ok {
		r.Model = c.take("model", v)
	}
	if p.Models == nil || c.refused != nil {
		return c.refused // whoever may ask for any model need not name them well
	}
	return checkOthers(top, p)
}

// checkOthers refuses a request that names, beside its own model, one that the principal may not ask for.
func checkOthers(top *body.Top, p *engine.Principal) *engine.Refusal {
	c := models{p: p}
	if v, ok := top.Get("fallbacks"); ok {
		c.entries("fallbacks", v)
	}
	if v, ok := top.Get("requests"); ok {
		for e := range c.list("requests", v) {
			if params, ok := c.only("requests[].params", e, "params"); ok {
				c.entry("requests[].params", params)
			}
		}
	}
	return c.refused
}

// models checks names against a principal's allow-list. The first refusal stays.
type models struct {
	p       *engine.Principal
	refused *engine.Refusal
}

func (c *models) refuse(r *engine.Refusal) {
	if c.refused == nil {
		c.refused = r
	}
}

// take returns the model that v names.
func (c *models) take(where string, v body.Value) string {
	name, ok := v.Text()
	switch {
	case !ok:
		c.refuse(refuse(engine.CodeBadBody, "%s is not a string", where))
	case len(name) > maxModel: // rows, cool-downs and caches keep it
		c.refuse(refuse(engine.CodeBadBody, "%s has %d bytes, want at most %d", where, len(name), maxModel))
		return ""
	case !c.p.MayAskModel(name):
		c.refuse(modelNotAllowed(c.p, name))
	}
	return name
}

// list returns the elements of what must be a list, lest another parser find names where none are looked for.
func (c *models) list(where string, v body.Value) iter.Seq[body.Value] {
	if v.Kind() != body.List && v.Kind() != body.Null {
		c.refuse(refuse(engine.CodeBadBody, "%s is a %s, want a list", where, v.Kind()))
	}
	return v.Elements()
}

// entries checks a list of fallbacks.
func (c *models) entries(where string, v body.Value) {
	for e := range c.list(where, v) {
		if e.Kind() == body.String {
			c.take(where+"[]", e)
			continue
		}
		c.entry(where+"[]", e)
	}
}

// entry checks the model of an object and the fallbacks that it may have.
func (c *models) entry(where string, v body.Value) {
	if m, ok := c.only(where, v, "model"); ok {
		c.take(where+".model", m)
	}
	if f, ok := v.Get(body.Path{"fallbacks"}); ok && c.refused == nil {
		c.entries(where+".fallbacks", f)
	}
}

// only returns the member of v that has this key, which it may have once.
func (c *models) only(where string, v body.Value, key string) (body.Value, bool) {
	if v.Kind() != body.Object {
		c.refuse(refuse(engine.CodeBadBody, "%s is a %s, want an object", where, v.Kind()))
		return body.Value{}, false
	}
	top, err := body.Scan(v.Raw(), key, "fallbacks")
	if err != nil {
		c.refuse(refuse(engine.CodeBadBody, "%s: %v", where, err))
		return body.Value{}, false
	}
	return top.Get(key)
}

// fallbacks are the models that the body lets answer in the place of its own.
func fallbacks(r *engine.RequestContext) (names []string) {
	top, ok := r.Index.(*body.Top)
	if !ok {
		return nil
	}
	list, _ := top.Get("fallbacks")
	for e := range list.Elements() {
		if e.Kind() == body.Object {
			e, _ = e.Get(body.Path{"model"})
		}
		if name, ok := e.Text(); ok {
			names = append(names, name)
		}
	}
	return names
}

func modelNotAllowed(p *engine.Principal, model string) *engine.Refusal {
	return refuse(engine.CodeModelNotAllowed, "principal %q may not ask for model %q", p.Name, engine.Cut(model, engine.MaxReason))
}

// sessionHeaders carry a session's id, the first that is there counts.
var sessionHeaders = [...]string{"x-claude-code-session-id", "x-claude-session-id", "x-session-affinity", "x-session-id"}

// maxSession caps a session id, in bytes: a longer one is none.
const maxSession = 256

// sessionFrom returns the session that the headers name, "" = none. It means something only together with the principal.
func sessionFrom(h engine.Headers) string {
	for _, name := range sessionHeaders {
		if v := h.Get(name); v != "" && len(v) <= maxSession {
			return v
		}
	}
	return ""
}

// sessionOf reads the session out of metadata.user_id: a JSON text with a session_id, or the older user_…_session_UUID.
func sessionOf(metadata body.Value) string {
	v, _ := metadata.Get(body.Path{"user_id"})
	user, ok := v.Text()
	if !ok {
		return ""
	}
	session := ""
	if top, err := body.Scan([]byte(user)); err == nil {
		if v, ok := top.Get("session_id"); ok {
			session, _ = v.Text()
		}
	} else if i := strings.LastIndex(user, "_session_"); i >= 0 {
		if id := user[i+len("_session_"):]; uuid.Validate(id) == nil {
			session = id
		}
	}
	if len(session) > maxSession {
		return ""
	}
	return session
}

// clientRequestID returns the id that the client gave its request, "" where it gave none that can be looked up later.
func clientRequestID(h engine.Headers) string {
	for _, name := range [...]string{"request-id", "x-request-id"} {
		if v := h.Get(name); plainID(v) {
			return v
		}
	}
	return ""
}

func plainID(s string) bool {
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', strings.IndexByte("._:-", c) >= 0:
		default:
			return false
		}
	}
	return s != "" && len(s) <= 128
}
