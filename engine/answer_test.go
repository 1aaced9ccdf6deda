package engine_test

import (
	"context"
	"errors"
	"io"
	"math"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"sluice/engine"
)

// translator is a dialect that counts its calls in the state of the attempt, and translates as it is told.
type translator struct {
	event func(n int) error // nil: it has no such hook
}

func (d translator) Shape(ctx *engine.RequestContext, u *engine.Upstream, _ *engine.Principal, b *engine.ShapedRequestBuilder) (engine.Shaped, error) {
	if b.State().Kept != nil {
		return engine.Shaped{}, errors.New("an attempt begins with the state of another")
	}
	b.State().Kept = 1
	return b.Build(engine.DraftOf(ctx, u))
}

func (translator) NormalizeError(int, engine.Headers, []byte) (*engine.NormalizedError, error) {
	return nil, nil
}

func (d translator) Transforms() (responses, events bool) { return d.event == nil, d.event != nil }

func (translator) TransformResponse(_ *engine.RequestContext, s *engine.State, r *engine.Reply) (*engine.Reply, error) {
	return &engine.Reply{Status: r.Status, Headers: r.Headers, Body: append(r.Body, byte('0'+s.Kept.(int)))}, nil
}

func (d translator) TransformEvent(_ *engine.RequestContext, s *engine.State, e engine.StreamEvent) ([]engine.StreamEvent, error) {
	n := s.Kept.(int)
	s.Kept = n + 1
	if err := d.event(n); err != nil {
		return nil, err
	}
	return []engine.StreamEvent{{Name: e.Name, Data: []byte{byte('0' + n)}}}, nil
}

// translated is a world whose upstream speaks through d, guarded or not.
func translated(t *testing.T, d translator, guard bool) *world {
	w := newWorld(t, upstreamNamed("a"))
	w.generation.Limits.Body = 1 << 20
	slot := w.generation.Upstreams[0].Dialect
	slot.Dialect, slot.Script = d, "d.star"
	if guard {
		crew := engine.NewCrew()
		t.Cleanup(crew.Close)
		slot.Guard = &engine.Guard{Crew: crew, Standing: (&engine.Standings{}).For("d.star", "1"), Budget: engine.Budget{Time: 50 * time.Millisecond}}
	}
	w.transport = echo
	if d.event != nil {
		w.transport = func(context.Context, engine.Signed) (*engine.Response, error) {
			return &engine.Response{Status: 200, Headers: engine.Headers{{Name: "Content-Type", Value: "text/event-stream; x"}}, Length: -1,
				Body: io.NopCloser(strings.NewReader(""))}, nil
		}
	}
	return w
}

func TestTheStateOfAnAttemptReachesItsAnswer(t *testing.T) {
	for _, guard := range []bool{false, true} {
		w := translated(t, translator{}, guard)
		for range 2 {
			if got := w.serve(t); got != "a1" {
				t.Errorf("guard %v: got %q", guard, got)
			}
		}
		w = translated(t, translator{event: func(int) error { return nil }}, guard)
		a, err := w.try()
		if err != nil || !a.TransformsEvents() {
			t.Fatal(err)
		}
		for _, want := range []string{"1", "2", "3"} {
			out, err := a.TransformEvent(w.exchange, engine.StreamEvent{Name: "e", Data: []byte("x")})
			if err != nil || len(out) != 1 || string(out[0].Data) != want {
				t.Errorf("guard %v: got %v, %v, want %s", guard, out, err, want)
			}
		}
	}
}

func TestAnAnswerIsTranslatedWhereNoBodyIsTooLarge(t *testing.T) {
	w := translated(t, translator{}, false)
	w.generation.Limits.Body = math.MaxInt64
	if got := w.serve(t); got != "a1" {
		t.Errorf("got %q, want a1", got)
	}
}

func TestATranslationThatDoesNotEndIsLeftBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		w := translated(t, translator{event: func(int) error { <-release; return nil }}, true)
		a, err := w.try()
		if err != nil {
			t.Fatal(err)
		}
		data := []byte("x")
		_, err = a.TransformEvent(w.exchange, engine.StreamEvent{Name: "e", Data: data})
		data[0] = 'y' // as the relay does
		var failed *engine.DialectError
		if !errors.As(err, &failed) || !strings.Contains(err.Error(), "was left behind") {
			t.Errorf("got %v", err)
		}
		if e := w.exchange.Trace.Errors; len(e) != 1 || e[0].Kind != engine.InternalTrap {
			t.Errorf("trace: %+v", e)
		}
		close(release)
		synctest.Wait()
	})
}

// hoarder is a dialect whose every event leaves one lease in the state, and then does what the test says.
type hoarder struct {
	engine.Passthrough
	open *atomic.Int64 // leases
	then func() error
}

func (hoarder) Transforms() (responses, events bool) { return false, true }

func (hoarder) TransformResponse(*engine.RequestContext, *engine.State, *engine.Reply) (*engine.Reply, error) {
	return nil, nil
}

func (h hoarder) TransformEvent(_ *engine.RequestContext, s *engine.State, _ engine.StreamEvent) ([]engine.StreamEvent, error) {
	h.open.Add(1)
	s.Leases = &engine.Leases{Kept: &openLease{h.open}}
	return nil, h.then()
}

type openLease struct{ open *atomic.Int64 }

func (l *openLease) Cover(int64) error { return nil }
func (l *openLease) Free()             { l.open.Add(-1) }

func TestWhatACallLeavesIsFreedOnce(t *testing.T) {
	f := func(what string, then func() error, events int, want int64) {
		t.Helper()
		synctest.Test(t, func(t *testing.T) {
			h := hoarder{open: new(atomic.Int64), then: then}
			w := translated(t, translator{event: func(int) error { return nil }}, true)
			w.generation.Upstreams[0].Dialect.Dialect = h
			a, err := w.try()
			if err != nil {
				t.Fatal(err)
			}
			for range events {
				_, _ = a.TransformEvent(w.exchange, engine.StreamEvent{Name: "e"})
			}
			if n := h.open.Load(); n != want {
				t.Errorf("%s: %d leases are held, want %d", what, n, want)
			}
			w.exchange.Free()
			time.Sleep(time.Second) // calls that were left behind end
			if n := h.open.Load(); n != 0 {
				t.Errorf("%s: %d leases are held when the exchange is over", what, n)
			}
		})
	}
	f("one event after the other", func() error { return nil }, 3, 1)
	f("one that fails", func() error { return errors.New("no") }, 1, 0)
	f("one that is left behind", func() error { time.Sleep(500 * time.Millisecond); return nil }, 1, 1)
}

// asked is memory of which there is none. It keeps how much was asked for first.
type asked struct{ bytes int64 }

func (a *asked) Lease(_, _ string) engine.Lease { return a }
func (a *asked) Free()                          {}
func (a *asked) Cover(bytes int64) error {
	if a.bytes == 0 {
		a.bytes = bytes
	}
	return errors.New("none is left")
}

func TestAnAnswerThatCannotBeHeldPasses(t *testing.T) {
	const text = "the answer"
	w, memory := translated(t, translator{}, true), new(asked)
	w.generation.Upstreams[0].Dialect.Guard.Memory = memory
	w.transport = func(context.Context, engine.Signed) (*engine.Response, error) {
		return &engine.Response{Status: 200, Length: int64(len(text)), Body: io.NopCloser(strings.NewReader(text))}, nil
	}
	if got := w.serve(t); got != text || memory.bytes != int64(len(text)) {
		t.Errorf("got %q, %d bytes were to be held, want the original and all of its length", got, memory.bytes)
	}
	meter := w.generation.Upstreams[0].Dialect.Meter
	if last := meter.Last(); meter.Errors.Load() != 1 || last == nil || last.Budget != engine.BudgetTotalMemory || last.Message != "none is left" {
		t.Errorf("%d errors are counted, the last %v, want one of %s", meter.Errors.Load(), last, engine.BudgetTotalMemory)
	}
}
