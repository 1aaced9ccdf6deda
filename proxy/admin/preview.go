package admin

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/valyala/fasthttp"

	"sluice/engine"
	"sluice/proxy"
)

// PreviewRequest asks what the chain would decide. Request is a JSON body, or a string that holds a raw HTTP request.
type PreviewRequest struct {
	Principal string          `json:"principal"` // "" = the only one, or the first
	Request   json.RawMessage `json:"request"`
}

// Preview is a decision that nothing came of.
type Preview struct {
	Principal string `json:"principal"`
	Model     string `json:"model"`
	*Trace
	// Refused is why nobody would serve, "" = somebody would.
	Refused string `json:"refused,omitempty"`
	Code    string `json:"code,omitempty"`
}

func (s *Server) preview(ctx *fasthttp.RequestCtx) {
	var ask PreviewRequest
	if err := json.Unmarshal(ctx.PostBody(), &ask); err != nil || len(ask.Request) == 0 {
		fail(ctx, 400, `want {"principal": NAME, "request": BODY}`)
		return
	}
	g := s.opts.World.Lease()
	if g == nil {
		fail(ctx, 503, "nothing is loaded")
		return
	}
	defer g.Release()
	raw := []byte(ask.Request)
	var text string
	if json.Unmarshal(raw, &text) == nil {
		raw = []byte(text)
	}
	p, err := PreviewOf(g, ask.Principal, raw)
	if err != nil {
		fail(ctx, 400, err.Error())
		return
	}
	reply(ctx, p)
}

// PreviewOf runs the chain for a request, a JSON body or a raw HTTP request, and leaves no trace of it. A request that nobody would serve
// is a preview, not an error. The principal "" is the first.
func PreviewOf(g *engine.Generation, principal string, raw []byte) (*Preview, error) {
	who, err := principalOf(g, principal)
	if err != nil {
		return nil, err
	}
	p := &Preview{Principal: who.Name, Trace: viewTrace(&engine.RoutingTrace{})}
	x, err := proxy.Understand(raw, who)
	if err != nil {
		return p, p.refuse(err)
	}
	p.Model = x.Request.Model
	err = decide(g, x)
	p.Trace = viewTrace(&x.Trace)
	return p, p.refuse(err)
}

func principalOf(g *engine.Generation, name string) (*engine.Principal, error) {
	names := make([]string, len(g.Principals))
	for i, p := range g.Principals {
		if p.Name == name || name == "" {
			return p, nil
		}
		names[i] = p.Name
	}
	return nil, fmt.Errorf("no principal %q, want one of: %s", name, strings.Join(names, ", "))
}

func decide(g *engine.Generation, x *engine.Exchange) error {
	candidates, err := g.Candidates(x)
	if err != nil {
		return err
	}
	kept, err := g.Filter(x, candidates)
	if err != nil {
		return err
	}
	_, _, err = g.Pick(x, kept)
	return err
}

// refuse notes why nobody would serve. It returns an error that is no refusal.
func (p *Preview) refuse(err error) error {
	var r *engine.Refusal
	if errors.As(err, &r) {
		p.Code, p.Refused = string(r.Code), r.Message
		return nil
	}
	return err
}
