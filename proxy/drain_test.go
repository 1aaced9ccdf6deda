package proxy_test

import (
	"context"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"sluice/engine"
)

func (r *rig) shutdown() chan error {
	done := make(chan error, 1)
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		done <- r.server.Shutdown(ctx)
	}()
	for !r.server.Draining() {
		time.Sleep(time.Millisecond)
	}
	return done
}

func TestWhileDrainingNewRequestsAreRefused(t *testing.T) {
	hold := make(chan struct{})
	p := plays(t, func(s *stage) {
		s.next()
		s.say(eventHead + chunk(start))
		<-hold
		s.say(chunk(stop) + lastChunk)
	})
	r := newRig(t, p.upstream("a"))
	r.options.Notice = 100 * time.Millisecond
	r.start()
	running := r.dial().send(post("/v1/messages", helloStream))
	resp := running.head("POST")
	kept := r.dial().send(request("HEAD", "/", ""))
	kept.read("HEAD")
	done := r.shutdown()

	f := func(name string, c *client, raw string) {
		t.Helper()
		got := c.send(raw).read("POST")
		want(t, name, got.code(), "503 draining")
		want(t, name+": retry-after", got.Header.Get("retry-after"), "1")
		if !got.Close || !c.ended() {
			t.Errorf("%s: the connection goes on", name)
		}
		c.nc.Close()
	}
	f("new connection, body not sent", r.dial(), headless("/v1/messages", "x-api-key: alice-key"))
	f("kept connection", kept, post("/v1/messages", hello))
	for { // the listener closes after the notice
		nc, err := net.Dial("tcp", r.addr)
		if err != nil {
			break
		}
		nc.Close()
		time.Sleep(5 * time.Millisecond)
	}
	select {
	case err := <-done:
		t.Fatalf("shutdown returned %v while a stream is open", err)
	default:
	}
	close(hold)
	b, err := io.ReadAll(resp.Body)
	if string(b) != start+stop || err != nil {
		t.Errorf("the open stream got %q, %v", b, err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestAtTheEndOfTheDrainEachStreamIsTold(t *testing.T) {
	p := plays(t, func(s *stage) {
		req, _ := s.next()
		if strings.Contains(req, `"stream":true`) {
			s.say(eventHead + chunk(start) + "5\r\nev")
		}
		s.gone()
	})
	r := newRig(t, p.upstream("a"))
	r.gen.Timeouts.Drain = 50 * time.Millisecond
	r.options.Notice = time.Hour // not even the listeners stay open for longer than the drain
	r.start()
	stream := r.dial().send(post("/v1/messages", helloStream))
	resp := stream.head("POST")
	waiting := r.dial().send(post("/v1/messages", hello))
	for len(p.requests()) < 2 {
		time.Sleep(time.Millisecond)
	}
	done := r.shutdown()
	b, err := io.ReadAll(resp.Body)
	frame := endsIn("overloaded_error", "the gateway is shutting down")
	if err != nil || !strings.HasPrefix(string(b), start+frame) || strings.Count(string(b), "event: error") != 1 {
		t.Errorf("the stream got %q, %v", b, err)
	}
	want(t, "waiting", waiting.read("POST").code(), "503 draining")
	if err := <-done; err != nil {
		t.Error(err)
	}
	for _, row := range r.ledger.wait(t, 2) {
		want(t, "code", row.Code, engine.CodeDraining)
	}
}

func TestShutdownCutsWhatItsContextDoesNotWaitFor(t *testing.T) {
	asked := make(chan struct{})
	p := plays(t, func(s *stage) {
		s.next()
		close(asked)
		s.gone()
	})
	r := newRig(t, p.upstream("a")).start()
	r.dial().send(post("/v1/messages", hello))
	stuck := r.dial().send(headless("/v1/messages", "x-api-key: alice-key"), "{") // in the middle of its body
	<-asked
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if err := r.server.Shutdown(ctx); err != context.DeadlineExceeded {
		t.Errorf("got %v", err)
	}
	_, _ = io.ReadAll(stuck.nc)
	for _, row := range r.ledger.wait(t, 2) {
		want(t, "code", row.Code, engine.CodeDraining)
	}
}

func TestShutdownOfAnIdleServerClosesItsConnections(t *testing.T) {
	r := newRig(t, upstream("a", "http://127.0.0.1:1")).start()
	fresh := r.dial()
	kept := r.dial().send(request("HEAD", "/", ""))
	kept.read("HEAD")
	if err := <-r.shutdown(); err != nil {
		t.Error(err)
	}
	for _, c := range []*client{fresh, kept} {
		if _, err := c.br.ReadByte(); err == nil {
			t.Error("a connection is still open")
		}
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := r.server.Serve(ln); err != nil {
		t.Error(err)
	}
}

func TestARequestFinishesOnTheGenerationItBeganWith(t *testing.T) {
	asked, hold := make(chan struct{}), make(chan struct{})
	p := plays(t, func(s *stage) {
		s.next()
		close(asked)
		<-hold
		s.say(ok(`"old"`))
	})
	r := newRig(t, p.upstream("a"))
	closed := make(chan struct{})
	r.gen.OnClose(func() { close(closed) })
	r.start()
	c := r.dial().send(post("/v1/messages", hello))
	<-asked
	old := r.gen
	r.gen = &engine.Generation{Number: 2, Strategy: old.Strategy, Vitals: old.Vitals, Keys: keyring{}, Limits: old.Limits, Timeouts: old.Timeouts}
	r.options.World.Publish(r.gen)
	want(t, "new requests", r.do(post("/v1/messages", hello)).code(), "401 bad_key")
	select {
	case <-closed:
		t.Error("the old generation closed under a request")
	default:
	}
	close(hold)
	want(t, "old request", c.read("POST").body, `"old"`)
	<-closed
	rows := r.ledger.wait(t, 2)
	want(t, "generation", rows[0].Generation, 2)
	want(t, "generation", rows[1].Generation, 1)
}

func TestWithoutAGenerationNothingIsServed(t *testing.T) {
	r := newRig(t, upstream("a", "http://127.0.0.1:1")).start()
	r.options.World.Close()
	want(t, "without a body", r.do(request("GET", "/v1/models", "", "x-api-key: alice-key")).code(), "503 draining")
	want(t, "with one", r.do(headless("/v1/messages", "x-api-key: alice-key")).code(), "503 draining")
	r.ledger.wait(t, 2)
	r.gen = &engine.Generation{Number: 9}
	r.options.World.Publish(r.gen)
}

// TestWhoTellsItsRequestSlowlyDoesNotHoldTheEnd: in the middle of a body until the drain is over, in the middle of a head not even that long.
func TestWhoTellsItsRequestSlowlyDoesNotHoldTheEnd(t *testing.T) {
	r := newRig(t, plays(t, answers(ok("{}"))).upstream("a"))
	r.gen.Timeouts.Drain = 20 * time.Millisecond
	r.start()
	whole := post("/v1/messages", hello)
	inHead, inBody := r.dial().send(whole[:20]), r.dial().send(whole[:len(whole)-5])
	within(t, "the body is read", func() bool { return r.server.Metrics.Streams() == 1 })
	done := r.shutdown()
	for _, c := range []*client{inHead, inBody} {
		want(t, "code", c.read("POST").code(), "503 draining")
		c.nc.Close()
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
	r.ledger.wait(t, 2)
}
