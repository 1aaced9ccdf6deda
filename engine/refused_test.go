package engine_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"

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
