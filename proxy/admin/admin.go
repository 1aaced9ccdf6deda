// Package admin answers the operator: health, metrics, status, upstreams, recent requests, previews and reloads, as JSON on a listener
// of its own.
//
//	s := admin.New(admin.Options{World: world, Access: access, …})
//	go s.Serve(ln)
//
// Everything but /healthz and /readyz wants the token, if there is one. It shows no secret, and nothing of what it does is on the path
// of a request.
package admin

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/url"
	"strings"
	"time"

	"github.com/valyala/fasthttp"

	"sluice/engine"
	"sluice/engine/experiment"
	"sluice/engine/ledger"
	"sluice/engine/promptcache"
	"sluice/engine/reload"
	"sluice/proxy"
)

// Options are what the admin API shows and moves.
type Options struct {
	World  *engine.World
	Vitals engine.VitalsSource
	Meters *engine.Meters
	// Standings are those of the scripts that serve.
	Standings *engine.Standings
	// Memory is what calls of scripts hold, in bytes, and how many of them wait for some.
	Memory func() (held, waiting int64)
	Book   *ledger.Book
	// Experiments are those of the config.
	Experiments *experiment.Book
	Traffic     *proxy.Metrics
	// Caches are what a preview is told of, as a served request is.
	Caches *promptcache.Caches
	Loop   *reload.Loop
	// Access is asked with each request: it may change with the config. It is never nil.
	Access func() *Access
	// Draining reports that no new request is taken any more.
	Draining func() bool
}

// Access says who may ask.
type Access struct {
	// Token is asked of every caller; "" = none, and then only callers on this machine that no web page sent are answered.
	Token       string
	OpenMetrics bool // /metrics needs no token
}

// Server is the admin listener. Its methods may be called from any goroutine.
type Server struct {
	opts   Options
	server *fasthttp.Server
	prom   *exporter
}

const (
	// maxBody is the largest body of a request, in bytes.
	maxBody = 32 << 20
	// strangersBody is that of one that does not bring the token: memory for all of it is taken before any of it comes.
	strangersBody = 256 << 10
)

// New makes a server that does not listen yet.
func New(o Options) *Server {
	s := &Server{opts: o}
	s.prom = newExporter(&s.opts)
	s.server = &fasthttp.Server{
		Handler:               s.handle,
		HeaderReceived:        s.room,
		ErrorHandler:          s.broken,
		Logger:                log.New(io.Discard, "", 0), // its lines could hold headers
		NoDefaultServerHeader: true,
		NoDefaultDate:         true,
		ReadTimeout:           10 * time.Second,
		IdleTimeout:           time.Minute,
		MaxRequestBodySize:    maxBody,
	}
	return s
}

// Serve answers on ln until Close.
func (s *Server) Serve(ln net.Listener) error { return s.server.Serve(plainListener{ln}) }

// Close stops listening and waits for answers under way, at most until ctx ends.
func (s *Server) Close(ctx context.Context) error { return s.server.ShutdownWithContext(ctx) }

func (s *Server) handle(ctx *fasthttp.RequestCtx) {
	method, path := string(ctx.Method()), asIs(ctx)
	if !s.admit(ctx, path) {
		return
	}
	switch id, one := strings.CutPrefix(path, "/v1/requests/"); {
	case path == "/healthz":
		s.only(ctx, method, "GET", func() { ctx.SetBodyString("ok\n") })
	case path == "/readyz":
		s.only(ctx, method, "GET", func() { s.ready(ctx) })
	case path == "/metrics":
		s.only(ctx, method, "GET", func() { s.prom.write(ctx) })
	case path == "/v1/status":
		s.only(ctx, method, "GET", func() { reply(ctx, s.status()) })
	case path == "/v1/upstreams":
		s.only(ctx, method, "GET", func() { reply(ctx, s.upstreams()) })
	case path == "/v1/requests":
		s.only(ctx, method, "GET", func() { s.requests(ctx) })
	case one:
		s.only(ctx, method, "GET", func() { s.request(ctx, unescaped(id)) })
	case path == "/v1/experiments", strings.HasPrefix(path, "/v1/experiments/"):
		s.experiments(ctx, method, path)
	case path == "/v1/preview":
		s.only(ctx, method, "POST", func() { s.preview(ctx) })
	case path == "/v1/reload":
		s.only(ctx, method, "POST", func() { s.reload(ctx) })
	default:
		fail(ctx, 404, "there is no "+path)
	}
}

// asIs is the path that was asked for, to the letter: a request may have an id of "..", and no name leads elsewhere.
func asIs(ctx *fasthttp.RequestCtx) string { return string(ctx.URI().PathOriginal()) }

// unescaped is a segment of a path without its percent signs, or as it is where they are none.
func unescaped(segment string) string {
	if plain, err := url.PathUnescape(segment); err == nil {
		return plain
	}
	return segment
}

// admit checks who calls, and answers when it is nobody who may.
func (s *Server) admit(ctx *fasthttp.RequestCtx, path string) bool {
	access := s.opts.Access()
	switch {
	case access.Token == "":
		// What the request's target names as the host is in the place of what the header says: both must be this machine.
		if proxy.FromLoopback(lines(ctx, ctx.Host())) && proxy.FromLoopback(lines(ctx, ctx.Request.Header.Host())) {
			return true
		}
		fail(ctx, 403, "without a token only this machine is answered, and no web page")
		return false
	case path == "/healthz", path == "/readyz", path == "/metrics" && access.OpenMetrics, bears(&ctx.Request.Header, access.Token):
		return true
	}
	ctx.Response.Header.Set("WWW-Authenticate", "Bearer")
	fail(ctx, 401, "want the admin token as a bearer token")
	return false
}

// room says how large the body of a request may be.
func (s *Server) room(h *fasthttp.RequestHeader) fasthttp.RequestConfig {
	if token := s.opts.Access().Token; token != "" && !bears(h, token) {
		return fasthttp.RequestConfig{MaxRequestBodySize: strangersBody}
	}
	return fasthttp.RequestConfig{}
}

// bears reports whether a request has the token. How long it takes says nothing about how much of it is right.
func bears(h *fasthttp.RequestHeader, token string) bool {
	scheme, given, _ := strings.Cut(string(h.Peek("Authorization")), " ")
	got, want := sha256.Sum256([]byte(given)), sha256.Sum256([]byte(token))
	return subtle.ConstantTimeCompare(got[:], want[:]) == 1 && strings.EqualFold(scheme, "Bearer")
}

// lines are the header lines that tell a web page from a program.
func lines(ctx *fasthttp.RequestCtx, host []byte) engine.Headers {
	h := engine.Headers{{Name: "host", Value: string(host)}}
	for _, origin := range ctx.Request.Header.PeekAll("Origin") {
		h.Add("origin", string(origin))
	}
	return h
}

func (*Server) only(ctx *fasthttp.RequestCtx, method, want string, f func()) {
	if method != want && !(want == "GET" && method == "HEAD") {
		ctx.Response.Header.Set("Allow", want)
		fail(ctx, 405, "want "+want)
		return
	}
	f()
}

func (s *Server) ready(ctx *fasthttp.RequestCtx) {
	if why := s.unready(); why != "" {
		fail(ctx, 503, why)
		return
	}
	ctx.SetBodyString("ready\n")
}

// unready is why no request could be served, "" = one could.
func (s *Server) unready() string {
	if s.opts.Draining() {
		return "draining"
	}
	g := s.opts.World.Lease()
	if g == nil {
		return "nothing is loaded"
	}
	defer g.Release()
	now := time.Now()
	for _, u := range g.Upstreams {
		if s.opts.Vitals.Vitals(u.Upstream, now).Healthy && !u.CredentialState().Reconnect {
			return ""
		}
	}
	return "no usable upstream"
}

// reload answers 422 with all that is on disk and does not serve.
func (s *Server) reload(ctx *fasthttp.RequestCtx) {
	limit, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	outcome, err := s.opts.Loop.Reload(limit)
	switch {
	case err != nil:
		fail(ctx, 503, err.Error())
	case outcome.Err != nil:
		fail(ctx, 422, outcome.Err.Error())
	default:
		reply(ctx, s.status())
	}
}

func reply(ctx *fasthttp.RequestCtx, v any) {
	ctx.SetContentType("application/json")
	enc := json.NewEncoder(ctx)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	enc.Encode(v) // into memory: it cannot fail for these types
}

// asked reads the JSON that a request brings, or answers that it is not what want shows.
func asked(ctx *fasthttp.RequestCtx, into any, want string) bool {
	text := ctx.PostBody()
	err := unmarshal(text, into)
	var other *json.UnmarshalTypeError
	switch {
	case err == nil:
		return true
	case errors.Is(err, errUnknownKey):
		fail(ctx, 400, fmt.Sprintf("%v, want %s", err, want))
	case len(text) == 0:
		fail(ctx, 400, "the body is empty, want "+want)
	case errors.As(err, &other) && other.Field == "":
		fail(ctx, 400, fmt.Sprintf("the body is of type %s, want %s", other.Value, want))
	case errors.As(err, &other):
		fail(ctx, 400, fmt.Sprintf("%q is a %s, want %s", other.Field, other.Value, want))
	default:
		fail(ctx, 400, fmt.Sprintf("the body is no JSON: %v, want %s", err, want))
	}
	return false
}

var errUnknownKey = errors.New("unknown key")

// unmarshal is json.Unmarshal that knows each key.
func unmarshal(text []byte, into any) error {
	if err := json.Unmarshal(text, into); err != nil {
		return err
	}
	strict := json.NewDecoder(bytes.NewReader(text))
	strict.DisallowUnknownFields()
	if err := strict.Decode(into); err != nil { // nothing else is left to be wrong
		return fmt.Errorf("%w %s", errUnknownKey, strings.TrimPrefix(err.Error(), "json: unknown field "))
	}
	return nil
}

func fail(ctx *fasthttp.RequestCtx, status int, message string) {
	ctx.SetStatusCode(status)
	reply(ctx, map[string]string{"error": message})
}
