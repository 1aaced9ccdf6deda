package engine_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"sluice/engine"
)

// tamper is a signer that writes a line of its own among those that were shaped.
type tamper struct {
	at    int
	value string
}

func (s tamper) Build(context.Context, *engine.Upstream) (engine.Signer, error) { return s, nil }

func (s tamper) Sign(_ context.Context, shaped engine.Shaped, c *engine.SigningCapability) (engine.Signed, error) {
	if h := *shaped.Headers(); s.at < len(h) {
		h[s.at].Value = s.value
	}
	shaped.Headers().Add("x-api-key", "secret")
	return c.Seal(shaped)
}

func (tamper) OnUnauthorized(context.Context, *engine.UpstreamError) engine.RetryDecision {
	return engine.Fail
}

// TestLinesThatWereCheckedGoOutAsAnyOther sends the same lines with and without what is known of them.
func TestLinesThatWereCheckedGoOutAsAnyOther(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	names := []string{"x-a", "x-b", "X-Amz-Date", "x-goog-user", "authorization", "request-id", "Host", "te", "anthropic-beta", "x-stainless-os", "x b", ""}
	values := []string{"", "1", "two words", "a\r\nb: c", "nul\x00", "é"}
	pick := func(from []string, odd int) string { // the last ones are odd, and rare
		if r.IntN(20) > 0 {
			from = from[:len(from)-odd]
		}
		return from[r.IntN(len(from))]
	}
	sent := func(h engine.Headers, checked *engine.Checked, signer tamper) (lines string) {
		w := newWorld(t, upstreamNamed("a"))
		w.generation.Upstreams[0].Signers = signer
		w.exchange = &engine.Exchange{Principal: w.principal, Request: &engine.RequestContext{Method: "POST", Path: "/v1/messages", Headers: h, Checked: checked}}
		w.transport = func(_ context.Context, s engine.Signed) (*engine.Response, error) {
			for i := range s.HeaderLines() {
				lines += fmt.Sprintf("%q\n", s.HeaderLine(i))
			}
			return answer(200, "ok"), nil
		}
		if _, err := w.generation.Serve(t.Context(), w.exchange, w.transport); err != nil {
			return err.Error()
		}
		return lines
	}
	refused := 0
	for range 3000 {
		var h engine.Headers
		for range r.IntN(6) {
			h.Add(pick(names, 2), pick(values, 3))
		}
		signer, came := tamper{r.IntN(8), pick(values, 3)}, h.Clone(0)
		checked := engine.Check(h)
		if checked == nil {
			refused++
		}
		want := sent(h.Clone(0), nil, signer)
		if got := sent(h, checked, signer); got != want {
			t.Fatalf("%q, with %q at %d:\n%s\nwant\n%s", h, signer.value, signer.at, got, want)
		}
		if !slices.Equal(h, came) {
			t.Fatalf("%q became %q, which other requests have", came, h)
		}
		other := h.Clone(0)
		for i := range other {
			other[i].Value = "another"
		}
		want = sent(other.Clone(0), nil, signer)
		if got := sent(other, checked, signer); got != want {
			t.Fatalf("%q, where %q was checked:\n%s\nwant\n%s", other, h, got, want)
		}
	}
	if refused == 0 {
		t.Error("no line of all could not stand in a head")
	}
}

// sets is a signer that sets credentials, after it edited the lines or without.
type sets struct {
	edit        bool
	credentials []string
}

func (s sets) Build(context.Context, *engine.Upstream) (engine.Signer, error) { return s, nil }

func (s sets) Sign(_ context.Context, shaped engine.Shaped, c *engine.SigningCapability) (engine.Signed, error) {
	if s.edit {
		shaped.Headers().Add("cookie", "another's")
	}
	for _, value := range s.credentials {
		shaped.SetCredential("x-api-key", value)
	}
	if s.edit {
		shaped.Headers().Add("x-edited", "1")
	}
	return c.Seal(shaped)
}

func (sets) OnUnauthorized(context.Context, *engine.UpstreamError) engine.RetryDecision {
	return engine.Fail
}

func TestTheCredentialThatIsSetIsTheOnlyOne(t *testing.T) {
	f := func(signer sets, checked bool, want string) {
		t.Helper()
		h := engine.Headers{{Name: "x-a", Value: "1"}, {Name: "x-b", Value: "2"}}
		w := newWorld(t, upstreamNamed("a"))
		w.generation.Upstreams[0].Signers = signer
		x := &engine.Exchange{Principal: w.principal, Request: &engine.RequestContext{Method: "POST", Path: "/v1/messages", Headers: h}}
		if checked {
			x.Request.Checked = engine.Check(h)
		}
		got := ""
		_, err := w.generation.Serve(t.Context(), x, engine.TransportFunc(func(_ context.Context, s engine.Signed) (*engine.Response, error) {
			for i := range s.HeaderLines() {
				got += s.HeaderLine(i).Name + "=" + s.HeaderLine(i).Value + " "
			}
			return answer(200, "ok"), nil
		}))
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%+v: got %q and error %v, want %q", signer, got, err, want)
		}
	}
	for _, checked := range []bool{false, true} {
		f(sets{false, []string{"k"}}, checked, "x-a=1 x-b=2 x-api-key=k ")
		f(sets{false, []string{"k", "l"}}, checked, "x-a=1 x-b=2 x-api-key=l ")
		f(sets{true, []string{"k", "l"}}, checked, "x-a=1 x-b=2 x-api-key=l x-edited=1 ")
		f(sets{false, []string{"k\r\nx: y"}}, checked, "")
		f(sets{true, []string{"k\r\nx: y"}}, checked, "")
	}
}
