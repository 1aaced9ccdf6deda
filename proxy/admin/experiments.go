package admin

import (
	"errors"
	"strings"

	"github.com/valyala/fasthttp"

	"sluice/engine/experiment"
)

// Experiments is the list of all.
type Experiments struct {
	Experiments []experiment.View `json:"experiments"`
}

// operator is who did what the admin API was asked for: its token is all that is known of anybody.
const operator = "admin"

// experiments answers below /v1/experiments.
func (s *Server) experiments(ctx *fasthttp.RequestCtx, method, path string) {
	book := s.opts.Experiments
	name, verb, _ := strings.Cut(strings.TrimPrefix(strings.TrimPrefix(path, "/v1/experiments"), "/"), "/")
	name = unescaped(name)
	switch {
	case name == "":
		s.only(ctx, method, "GET", func() { reply(ctx, Experiments{book.Views()}) })
	case verb == "":
		s.only(ctx, method, "GET", func() { s.changed(ctx, name, nil) })
	case verb == "promote":
		s.only(ctx, method, "POST", func() {
			var ask struct {
				Arm string `json:"arm"`
			}
			const want = `{"arm": NAME}`
			switch {
			case !asked(ctx, &ask, want):
			case ask.Arm == "":
				fail(ctx, 400, `there is no "arm", want `+want)
			default:
				s.changed(ctx, name, book.Promote(name, ask.Arm, operator))
			}
		})
	case verb == "stop":
		s.only(ctx, method, "POST", func() { s.changed(ctx, name, book.Stop(name, operator)) })
	default:
		fail(ctx, 404, "there is no "+path)
	}
}

// changed answers with an experiment as it is now, or says why it could not be changed.
func (s *Server) changed(ctx *fasthttp.RequestCtx, name string, err error) {
	var view experiment.View
	if err == nil {
		view, err = s.opts.Experiments.View(name)
	}
	var unknown *experiment.UnknownError
	switch {
	case err == nil:
		reply(ctx, view)
	case errors.As(err, &unknown) && unknown.Arm:
		fail(ctx, 400, err.Error())
	case unknown != nil:
		fail(ctx, 404, err.Error())
	default:
		fail(ctx, 500, err.Error())
	}
}
