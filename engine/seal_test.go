package engine_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/url"
	"os/exec"
	"strings"
	"testing"

	"sluice/engine"
)

// Each forgery is a package of its own, which must not compile, for the reason given.
func TestNobodyForgesASignedRequest(t *testing.T) {
	f := func(name, want string) {
		t.Helper()
		out, err := exec.Command("go", "build", "./testdata/forge/"+name).CombinedOutput()
		if err == nil {
			t.Errorf("the forgery %q compiles", name)
		}
		if !strings.Contains(string(out), want) {
			t.Errorf("the forgery %q fails with\n%s\nwant %q", name, out, want)
		}
	}
	f("literal", "unexported field sealed")
	f("convert", "cannot convert s")
	f("capability", "unexported field shaped")
	f("embed", "cannot use forged{}")
	f("lend", "undefined: engine.signRequest")
}

func TestTheZeroValuesAreRefused(t *testing.T) {
	if (engine.Signed{}).Valid() {
		t.Error("the zero Signed is valid")
	}
	if _, err := new(engine.SigningCapability).Seal(engine.Shaped{}); err == nil {
		t.Error("a capability of nobody sealed the zero Shaped")
	}
	if _, err := new(engine.ShapedRequestBuilder).Build(engine.Draft{Method: "GET", URL: "https://a.example/"}); err == nil {
		t.Error("a builder of nobody built")
	}
}

// rogue is a dialect and a signer that keep what they were lent.
type rogue struct {
	builder    *engine.ShapedRequestBuilder
	capability *engine.SigningCapability
	shaped     engine.Shaped
	body       []byte
	headers    engine.Headers
	lines      *engine.Headers
}

func (r *rogue) Shape(ctx *engine.RequestContext, u *engine.Upstream, _ *engine.Principal, b *engine.ShapedRequestBuilder) (engine.Shaped, error) {
	r.builder = b
	d := engine.DraftOf(ctx, u)
	r.body, r.headers = []byte(`{"mine":1}`), engine.Headers{{Name: "x-a", Value: "1"}}
	d.Body, d.Headers = r.body, r.headers
	var err error
	r.shaped, err = b.Build(d)
	return r.shaped, err
}

func (*rogue) NormalizeError(int, engine.Headers, []byte) (*engine.NormalizedError, error) {
	return nil, nil
}

func (r *rogue) Build(context.Context, *engine.Upstream) (engine.Signer, error) { return r, nil }

func (r *rogue) Sign(_ context.Context, s engine.Shaped, c *engine.SigningCapability) (engine.Signed, error) {
	r.capability, r.lines = c, s.Headers()
	s.Headers().Set("x-api-key", "the-secret")
	return c.Seal(s)
}

func (*rogue) OnUnauthorized(context.Context, *engine.UpstreamError) engine.RetryDecision {
	return engine.Fail
}

func TestWhatWasSignedCannotChange(t *testing.T) {
	r := &rogue{}
	w := newWorld(t, upstreamNamed("a"))
	w.generation.Upstreams[0].Dialect = &engine.DialectSlot{Dialect: r, Meter: &engine.Meter{}}
	w.generation.Upstreams[0].Signers = r
	var sent engine.Signed
	w.transport = func(_ context.Context, s engine.Signed) (*engine.Response, error) {
		r.body[2], r.headers[0].Value = 'X', "changed"
		(*r.lines)[0].Value = "changed"
		r.shaped.Headers().Set("x-late", "1")
		if _, err := r.builder.Build(engine.Draft{Method: "GET", URL: "https://a.example/"}); err == nil {
			t.Error("the builder builds after its call")
		}
		if _, err := r.capability.Seal(r.shaped); err == nil {
			t.Error("the capability seals after its call")
		}
		sent = s
		return answer(200, "ok"), nil
	}
	w.serve(t)
	if got := string(sent.Body()); got != `{"mine":1}` {
		t.Errorf("the body changed after it was signed: %s", got)
	}
	for i := range sent.HeaderLines() {
		if h := sent.HeaderLine(i); h.Value == "changed" || h.Name == "x-late" {
			t.Errorf("the header %q changed after it was signed", h.Name)
		}
	}
	for _, held := range []any{sent, r.shaped, r.builder, r.capability} {
		if s := fmt.Sprintf("%v %+v %#v %s %d %t", held, held, held, held, held, held); strings.Contains(s, "the-secret") {
			t.Errorf("%T prints the credential of a signed request: %s", held, s)
		}
	}
}

// What goes out is what the address says to whoever parses it, however plain it is.
func TestARequestGoesWhereItsAddressSays(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	parts := []string{"/", "a", "v1", "messages", "%2F", "%41", "?", "=", "&", "beta=true", ":", "-", "..", ".", "//", ";", "+", "@", "!", "*", "'", "~", "é", "|"}
	for range 3000 {
		u := upstreamNamed("a")
		at := u.BaseURL.Scheme + "://" + u.BaseURL.Host
		for range 1 + r.IntN(6) {
			at += parts[r.IntN(len(parts))]
		}
		var sent engine.Signed
		w := newWorld(t, u)
		w.generation.Upstreams[0].Dialect = &engine.DialectSlot{Meter: &engine.Meter{}, Dialect: dialectFunc(
			func(ctx *engine.RequestContext, u *engine.Upstream, b *engine.ShapedRequestBuilder) (engine.Shaped, error) {
				d := engine.DraftOf(ctx, u)
				d.URL = at
				shaped, err := b.Build(d)
				if err == nil && shaped.URL().String() != mustParse(t, at).String() {
					t.Errorf("%s: a signer sees %s", at, shaped.URL())
				}
				return shaped, err
			})}
		w.transport = func(_ context.Context, s engine.Signed) (*engine.Response, error) {
			sent = s
			return answer(200, "ok"), nil
		}
		_, err := w.try()
		want, bad := u.CheckURL(at)
		switch {
		case (err == nil) != (bad == nil):
			t.Errorf("%s: %v, want %v", at, err, bad)
		case err == nil && (sent.Scheme() != want.Scheme || sent.Host() != want.Host || sent.RequestURI() != want.RequestURI()):
			t.Errorf("%s: %s %s %s, want %v", at, sent.Scheme(), sent.Host(), sent.RequestURI(), want)
		}
	}
}

func TestEachBuildIsARequestOfItsOwn(t *testing.T) {
	w := newWorld(t, upstreamNamed("a"))
	w.generation.Upstreams[0].Dialect = &engine.DialectSlot{Meter: &engine.Meter{}, Dialect: dialectFunc(
		func(ctx *engine.RequestContext, u *engine.Upstream, b *engine.ShapedRequestBuilder) (engine.Shaped, error) {
			d := engine.DraftOf(ctx, u)
			first, err := b.Build(d)
			d.Method, d.Body = "PUT", []byte("another")
			if _, err := b.Build(d); err != nil {
				t.Error(err)
			}
			return first, err
		})}
	w.transport = func(_ context.Context, s engine.Signed) (*engine.Response, error) {
		if s.Method() != "POST" || string(s.Body()) != `{"model":"m-1"}` {
			t.Errorf("%s %s goes out, want what was built first", s.Method(), s.Body())
		}
		return answer(200, "ok"), nil
	}
	w.serve(t)
}

// A request that keeps its path goes where its draft's address says, or nowhere.
func TestARequestThatPassesGoesWhereItsDraftSays(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	bases := []string{"https://a.example", "https://a.example/", "https://a.example:8443", "https://a.example/base", "https://a.example/base/", "https://a.example/%2F", "https://A.example"}
	parts := []string{"/", "a", "v1", "messages", "%2F", "%", "?", "=", "&", "beta=true", ":", "..", "//", ";", "+", "@", "#", "\\", " ", "é", strings.Repeat("a", 16<<10-20)}
	pick := func(n int) (s string) {
		for range n {
			s += parts[r.IntN(len(parts))]
		}
		return s
	}
	sent := func(u *engine.Upstream, path, query string, d engine.Dialect) string {
		w := newWorld(t, u)
		w.generation.Upstreams[0].Dialect = &engine.DialectSlot{Meter: &engine.Meter{}, Dialect: d}
		to := ""
		_, err := w.generation.Serve(t.Context(), &engine.Exchange{Principal: w.principal, Request: &engine.RequestContext{Method: "POST", Path: path, Query: query}},
			engine.TransportFunc(func(_ context.Context, s engine.Signed) (*engine.Response, error) {
				to = s.Scheme() + " " + s.Host() + " " + s.RequestURI()
				return answer(200, "ok"), nil
			}))
		return fmt.Sprint(to, " ", err)
	}
	for range 3000 {
		u := upstreamNamed("a")
		u.BaseURL = mustParse(t, bases[r.IntN(len(bases))])
		path, query := "/"+pick(r.IntN(4)), pick(r.IntN(4))
		got := sent(u, path, query, engine.Passthrough{})
		want := sent(u, path, query, dialectFunc(func(ctx *engine.RequestContext, u *engine.Upstream, b *engine.ShapedRequestBuilder) (engine.Shaped, error) {
			return b.Build(engine.DraftOf(ctx, u))
		}))
		if got != want {
			t.Fatalf("%.200q with %.200q below %s goes to\n%.300s\nwant\n%.300s", path, query, u.BaseURL, got, want)
		}
	}
}

func mustParse(t *testing.T, s string) *url.URL {
	t.Helper()
	u, err := url.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// builds tells what a draft comes to: the dropped headers, or the error.
func builds(t *testing.T, u *engine.Upstream, change func(*engine.Draft)) (dropped []string, err error) {
	t.Helper()
	w := newWorld(t, u)
	w.generation.Upstreams[0].Dialect = &engine.DialectSlot{Meter: &engine.Meter{}, Dialect: dialectFunc(
		func(ctx *engine.RequestContext, u *engine.Upstream, b *engine.ShapedRequestBuilder) (engine.Shaped, error) {
			d := engine.DraftOf(ctx, u)
			change(&d)
			var shaped engine.Shaped
			shaped, err = b.Build(d)
			dropped = b.Dropped()
			return shaped, err
		})}
	w.transport = func(context.Context, engine.Signed) (*engine.Response, error) { return answer(200, "ok"), nil }
	w.try()
	return dropped, err
}

func TestAShapedURLStaysAtItsUpstream(t *testing.T) {
	u := upstreamNamed("a")
	u.BaseURL, _ = url.Parse("https://api.example:443/base")
	u.AllowOrigins = []string{"https://other.example:8443"}
	f := func(address string, ok bool) {
		t.Helper()
		_, err := builds(t, u, func(d *engine.Draft) { d.URL = address })
		if (err == nil) != ok {
			t.Errorf("%s: error %v, want ok = %v", address, err, ok)
		}
	}
	f("https://api.example/v1/messages", true)
	f("https://API.example:443/v1/messages?x=1", true)
	f("https://other.example:8443/v1", true)
	f("https://other.example/v1", false)
	f("http://api.example/v1/messages", false)
	f("https://api.example:444/v1", false)
	f("https://evil.example/v1", false)
	f("https://user@api.example/v1", false)
	f("https://api.example@evil.example/", false)
	f("https://api.example\\@evil.example/", false)
	f("https://api.example/v1#frag", false)
	f("https://api.example/a b", false)
	f("https://api.example/a\r\nx: y", false)
	f("//api.example/v1", false)
	f("/v1/messages", false)
	f("", false)
}

func TestADialectCannotSetWhatIsNotItsOwn(t *testing.T) {
	dropped, err := builds(t, upstreamNamed("a"), func(d *engine.Draft) {
		for _, name := range []string{"X-Api-Key", "authorization", "Cookie", "X-Sluice-Key", "x-amz-date", "x-goog-user", "api-key",
			"Host", "content-length", "Transfer-Encoding", "request-id", "set-cookie", "x-mine", "anthropic-beta"} {
			d.Headers.Add(name, "v")
		}
	})
	if want := 12; err != nil || len(dropped) != want {
		t.Errorf("dropped %d headers %q with error %v, want %d", len(dropped), dropped, err, want)
	}
	u := upstreamNamed("a")
	if dropped, err := builds(t, u, func(d *engine.Draft) {
		d.Headers = append(d.Headers, engine.Header{Name: "anthropic-version", Value: "2"})
	}); err != nil || len(dropped) != 0 {
		t.Errorf("dropped %q with error %v, want none", dropped, err)
	}
	f := func(name, value string) {
		t.Helper()
		if _, err := builds(t, upstreamNamed("a"), func(d *engine.Draft) { d.Headers.Add(name, value) }); err == nil {
			t.Errorf("header %q: %q was taken", name, value)
		}
	}
	f("x-a", "b\r\nc: d")
	f("x-a", "b\nc")
	f("x-a", "b\x00c")
	f("x a", "b")
	f("", "b")
	f("x-a:", "b")
}

// An answer to HEAD has no body, which the client waits for.
func TestADialectMakesNoHeadOfAnotherMethod(t *testing.T) {
	_, err := builds(t, upstreamNamed("a"), func(d *engine.Draft) { d.Method = "HEAD" })
	var refused *engine.DialectError
	if !errors.As(err, &refused) || refused.Variant != engine.DialectUnsupportedRequest || !strings.Contains(refused.Reason, "HEAD for a client's POST") {
		t.Errorf("a POST was sent as a HEAD: %v", err)
	}
}
