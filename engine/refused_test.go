package engine_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"sluice/engine"
)

// cutBody yields some bytes and breaks off.
type cutBody struct{ io.Reader }

func (c cutBody) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

func (cutBody) Close() error { return nil }

func TestTheClientsOwn401PassesAsItCame(t *testing.T) {
	f := func(body io.ReadCloser, length int64, want string, wantErr error) {
		t.Helper()
		w := newWorld(t, upstreamNamed("a"))
		w.generation.Upstreams[0].Signers, w.generation.Upstreams[0].ForwardsClient = keySigner{1}, true
		w.transport = func(context.Context, engine.Signed) (*engine.Response, error) {
			return &engine.Response{Status: 401, Length: length, Body: body}, nil
		}
		w.client = engine.NewCredential(engine.Headers{{Name: "x-api-key", Value: "k"}})
		a, err := w.try()
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(a.Body)
		if string(got) != want || !errors.Is(err, wantErr) || a.Length != length {
			t.Errorf("got %d bytes of %d and %v, want %d of %d and %v", len(got), a.Length, err, len(want), length, wantErr)
		}
	}
	long := strings.Repeat("x", engine.UpstreamErrorBody+1000)
	f(io.NopCloser(strings.NewReader(long)), int64(len(long)), long, nil)
	f(cutBody{strings.NewReader("short")}, 1000, "short", io.ErrUnexpectedEOF)
}

// refused is a signer whose credential is refused, and what it decides then.
type refused struct {
	keySigner
	decide func() engine.RetryDecision
}

func (r refused) Build(context.Context, *engine.Upstream) (engine.Signer, error) { return r, nil }
func (r refused) OnUnauthorized(context.Context, *engine.UpstreamError) engine.RetryDecision {
	return r.decide()
}

// refusing is a world whose first upstream refuses its credential, and how that one does after a request.
func refusing(t *testing.T, decide func(leave func()) engine.RetryDecision) (engine.Vitals, error) {
	t.Helper()
	f := newFailing(t, played{"a": "401", "b": "401", "c": "401"})
	ctx, leave := context.WithCancel(context.Background())
	defer leave()
	for _, u := range f.generation.Upstreams {
		u.Signers = refused{keySigner{1}, func() engine.RetryDecision { return decide(leave) }}
	}
	_, err := f.generation.Serve(ctx, &engine.Exchange{Principal: f.principal, Request: &engine.RequestContext{RequestID: "r1", Method: "POST",
		Path: "/v1/messages", Model: "m-1", Body: []byte(`{"model":"m-1"}`), Now: time.Now()}}, f.world.transport)
	var v engine.Vitals
	for _, u := range f.generation.Upstreams {
		if u.Name == "a" {
			v = *f.tracker.Look(&engine.Account{Upstream: u.Upstream, Model: "m-1"}, time.Now())
		}
	}
	if f.open != 0 {
		t.Errorf("%d answers are open", f.open)
	}
	return v, err
}

func TestAClientThatLeavesDuringARenewalSaysNothingOfTheCredential(t *testing.T) {
	v, err := refusing(t, func(leave func()) engine.RetryDecision {
		leave()
		return engine.Fail
	})
	var r *engine.Refusal
	if !errors.As(err, &r) || r.Code != engine.CodeClientGone || v.Cooling.Class != "" {
		t.Errorf("got %v, and the account cools: %+v", err, v.Cooling)
	}
}

func TestACredentialThatCannotBeRenewedYetRestsUntilItMay(t *testing.T) {
	again := time.Now().Add(5 * time.Second)
	v, err := refusing(t, func(func()) engine.RetryDecision { return engine.FailUntil(again) })
	var r *engine.Refusal
	if !errors.As(err, &r) || r.Code != engine.CodeUpstreamCredential || v.Cooling.Class != engine.ClassCredential || !v.Cooling.Until.Equal(again) {
		t.Errorf("got %v, and the account cools: %+v, want until %v", err, v.Cooling, again)
	}
}

func TestAPreviewLeavesNoTrace(t *testing.T) {
	w := newWorld(t, upstreamNamed("a"))
	chosen := keeps("only", "a")
	w.add(chosen)
	x := &engine.Exchange{Principal: w.principal, Dry: true, Request: &engine.RequestContext{Path: "/v1/messages"}}
	if _, err := w.generation.Filter(x, candidates(t, w)); err != nil {
		t.Fatal(err)
	}
	if n := chosen.Meter.Calls.Load(); n != 0 {
		t.Errorf("a preview counts %d calls", n)
	}
}
