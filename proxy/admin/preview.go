package admin

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/valyala/fasthttp"

	"sluice/engine"
	"sluice/engine/promptcache"
	"sluice/proxy"
)

// PreviewRequest asks what the chain would decide. Request is a JSON body, or a string that holds a raw HTTP request.
type PreviewRequest struct {
	Principal string          `json:"principal"` // "" = the only one, or the first
	Request   json.RawMessage `json:"request"`
	Arms      bool            `json:"arms"` // each arm of the experiments that the request meets, too
}

// Preview is a decision that nothing came of.
type Preview struct {
	Principal string `json:"principal"`
	Model     string `json:"model"`
	// Experiment is NAME=ARM, of several with commas between.
	Experiment string `json:"experiment,omitempty"`
	*Trace
	// Refused is why nobody would serve, "" = somebody would.
	Refused string `json:"refused,omitempty"`
	Code    string `json:"code,omitempty"`
	// Arms are what each arm would decide, if they were asked for.
	Arms []*Preview `json:"arms,omitempty"`
}

func (s *Server) preview(ctx *fasthttp.RequestCtx) {
	var ask PreviewRequest
	const want = `{"principal": NAME, "request": BODY, "arms": BOOL}`
	if !asked(ctx, &ask, want) {
		return
	}
	if len(ask.Request) == 0 {
		fail(ctx, 400, `there is no "request", want `+want)
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
	p, err := PreviewOf(g, s.opts.Caches, ask.Principal, raw, ask.Arms)
	if err != nil {
		fail(ctx, 400, err.Error())
		return
	}
	reply(ctx, p)
}

// PreviewOf runs the chain for a request, a JSON body or a raw HTTP request, and leaves no trace of it. A request that nobody would serve
// is a preview, not an error. The principal "" is the first. With arms it tells beside it what would be decided if the request had each arm
// of the experiments that it meets.
func PreviewOf(g *engine.Generation, caches *promptcache.Caches, principal string, raw []byte, arms bool) (*Preview, error) {
	p, met, err := previewOf(g, caches, principal, raw, nil)
	if err != nil || !arms {
		return p, err
	}
	for _, had := range met {
		for _, arm := range had.Experiment.Arms() {
			one, _, err := previewOf(g, caches, principal, raw, []engine.ArmChoice{arm})
			if err != nil {
				return nil, err
			}
			one.Experiment = arm.Label // not those of the other experiments, which it has anyway
			p.Arms = append(p.Arms, one)
		}
	}
	return p, nil
}

// previewOf is a preview of a request that has these arms, and the arms that it has in the end.
func previewOf(g *engine.Generation, caches *promptcache.Caches, principal string, raw []byte, arms []engine.ArmChoice,
) (*Preview, []engine.ArmChoice, error) {
	who, err := principalOf(g, principal)
	if err != nil {
		return nil, nil, err
	}
	p := &Preview{Principal: who.Name, Trace: viewTrace(&engine.RoutingTrace{})}
	x, err := proxy.Understand(raw, who, caches)
	if err != nil {
		return p, nil, p.refuse(err)
	}
	x.Arms = arms
	p.Model = x.Request.Model
	err = decide(g, x)
	p.Trace, p.Experiment = viewTrace(&x.Trace), x.ArmLabels()
	return p, x.Arms, p.refuse(err)
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
	_, dialect, err := g.Pick(x, kept)
	if err == nil {
		dialect.Serving(x)
	}
	return err
}

// refuse notes why nobody would serve. It returns an error that is no refusal.
func (p *Preview) refuse(err error) error {
	if r, ok := errors.AsType[*engine.Refusal](err); ok {
		p.Code, p.Refused = string(r.Code), r.Message
		return nil
	}
	return err
}
