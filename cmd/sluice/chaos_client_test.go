package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"sluice/engine"
)

// last is the record of the latest request, once there is one of each.
func (c *chaos) last() *engine.Record {
	c.t.Helper()
	c.settled()
	rows := c.rows()
	return rows[len(rows)-1]
}

// row checks status and code of the latest record, and how many upstreams were asked.
func (c *chaos) row(what, want string) {
	c.t.Helper()
	r := c.last()
	if got := fmt.Sprintf("%d %s %d", r.Status, r.Code, len(r.Trace.Attempts)); got != want {
		c.t.Errorf("%s: row %s, want %s", what, got, want)
	}
}

// onlyA is the header line of a request for a alone.
const onlyA = "x-only: a\r\n"

// inLine waits until so many requests wait for a.
func (c *chaos) inLine(n int) {
	c.t.Helper()
	c.within(fmt.Sprint(n, " in line"), func() bool { return c.builder.vitals.Vitals(c.slot("a"), time.Now()).Queued == n })
}

// open waits until a provider has so many answers in flight.
func (c *chaos) open(n int) {
	c.t.Helper()
	c.within(fmt.Sprint(n, " answers in flight"), func() bool { return c.a.Open()+c.b.Open() == n })
}

// aClientThatVanishesAnywhere takes nothing with it and counts against nobody.
func aClientThatVanishesAnywhere(t *testing.T) {
	c := startChaos(t, settings{upstream: ", concurrency: 1, queue: {max: 5, wait: 20s}"})
	c.atEnd = c.unbroken
	whole := ask(true, "")
	c.dial().Close()
	if err := c.dial().reset(); err != nil {
		t.Error(err)
	}
	c.settled()
	for _, n := range []int{1, 30, strings.Index(whole, "\r\n\r\n")} {
		c.dial().send(whole[:n]).Close()
		c.row(fmt.Sprint("in the head, ", n, " bytes"), "499 client_gone 0")
	}
	c.dial().send(whole[:len(whole)-10]).Close()
	c.row("in the body", "499 client_gone 0")

	for _, leave := range []func(*visitor) error{(*visitor).Close, (*visitor).CloseWrite, (*visitor).reset} {
		v := c.dial().send(ask(true, "stall-head"))
		c.open(1)
		second := c.dial().send(ask(true, "", onlyA))
		c.inLine(1)
		leave(second)
		c.inLine(0)
		second.Close()
		leave(v)
		c.row("while an attempt waits", "499 client_gone 1")
		v.Close()

		v = c.dial().send(ask(true, "a:500,b:stall-head"))
		c.within("b is asked", func() bool { return c.b.Open() == 1 })
		leave(v)
		c.row("while the second attempt waits", "499 client_gone 2")
		v.Close()

		for _, fault := range []string{"stall=0", "stall=3"} {
			v = c.dial().send(ask(true, fault))
			c.open(1)
			leave(v)
			c.row("at "+fault, "499 client_gone 1")
			v.Close()
		}
		v = c.dial().send(whole)
		if got := v.read(); !got.whole {
			t.Errorf("%+v", got)
		}
		leave(v)
		c.row("after the last byte", "200  1")
		v.Close()
	}
	for _, r := range c.rows() {
		for _, a := range r.Trace.Attempts {
			if a.Class != "" && a.Status != 500 {
				t.Errorf("%+v", a)
			}
		}
	}
	c.end()
}

func (c *chaos) slot(name string) *engine.Upstream {
	for _, u := range c.upstreams() {
		if u.Name == name {
			return u
		}
	}
	return nil
}

// aClientThatIsTooSlow is let go: in its head, in its body, and where it reads nothing of a long answer.
func aClientThatIsTooSlow(t *testing.T) {
	c := startChaos(t, settings{timeouts: "client_header: 100ms, client_body: 100ms, client_write: 100ms"})
	whole := ask(true, "")
	f := func(what, text, want string) {
		v := c.dial().send(text)
		defer v.Close()
		if got := v.read(); got.code != "client_timeout" || got.status != 400 {
			t.Errorf("%s: %+v", what, got)
		}
		c.row(what, want)
	}
	f("head", whole[:40], "400 client_timeout 0")
	f("body", whole[:len(whole)-3], "400 client_timeout 0")

	v := c.dial().send(ask(false, "giant"))
	c.row("a client that does not read", "499 client_gone 1")
	v.Close()
	v = c.dial().send(ask(true, "giant"))
	c.row("a client that does not read a stream", "499 client_gone 1")
	v.Close()
	c.end()
}

// aSlowReaderGetsItAll: each piece in its time.
func aSlowReaderGetsItAll(t *testing.T) {
	c := startChaos(t, settings{})
	v := c.dial()
	_ = v.SetReadBuffer(4096)
	v.send(ask(true, ""))
	text := ""
	for b := make([]byte, 64); !strings.HasSuffix(text, "0\r\n\r\n"); time.Sleep(100 * time.Microsecond) {
		n, err := v.Read(b)
		if text += string(b[:n]); err != nil {
			t.Fatal(err)
		}
	}
	v.Close()
	c.row("a slow reader", "200  1")
	c.end()
}

// aSlowSenderIsServed: a piece of its request at a time, head and body, plain and in chunks.
func aSlowSenderIsServed(t *testing.T) {
	c := startChaos(t, settings{})
	body := chaosBody(true)
	chunked := strings.Replace(ask(true, ""), fmt.Sprintf("content-length: %d\r\n\r\n%s", len(body), body),
		fmt.Sprintf("transfer-encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", len(body), body), 1)
	for _, text := range []string{ask(true, ""), chunked} {
		v := c.dial().send(text[:1])
		for i := 1; i < len(text); i++ {
			if _, err := io.WriteString(v, text[i:i+1]); err != nil {
				t.Fatal(err)
			}
			if i%16 == 0 {
				time.Sleep(100 * time.Microsecond) // so that it is not one packet
			}
		}
		if got := v.read(); got.status != 200 || !got.whole || got.errors() != 0 {
			t.Errorf("%+v", got)
		}
		v.Close()
		c.row("a slow sender", "200  1")
	}
	c.end()
}

// aSecondWorldAmidAll: who began in the first ends in it, whatever becomes of the script and the config meanwhile.
func aSecondWorldAmidAll(t *testing.T) {
	c := startChaos(t, settings{upstream: ", concurrency: 1, queue: {max: 5, wait: 20s}"})
	first := c.dial().send(ask(true, "stall=3"))
	c.open(1)
	second := c.dial().send(ask(true, "stall=2", onlyA))
	c.inLine(1)
	for i := range 3 {
		c.write(t, "filters/choose.star", fmt.Sprintf("%s# %d\n", onlyFilter, i))
		if _, err := c.loop.Reload(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	config, err := os.ReadFile(c.builder.name)
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Replace(string(config), "strategy: priority", "strategy: least-connections", 1)
	if err := os.WriteFile(c.builder.name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := c.loop.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	third := c.dial().send(ask(false, ""))
	if got := third.read(); got.status != 200 {
		t.Errorf("least connections: %+v", got)
	}
	third.Close()
	first.Close()
	c.inLine(0)
	second.Close()
	c.settled()
	generations := map[uint64]int{}
	for _, r := range c.rows() {
		generations[r.Generation]++
	}
	if generations[1] != 2 || len(generations) != 2 {
		t.Errorf("rows by generation: %v", generations)
	}
	c.end()
}

// theEndAmidAll: SIGTERM finds requests in every state, and each is told.
func theEndAmidAll(t *testing.T) {
	c := startChaos(t, settings{timeouts: "drain: 100ms", upstream: ", concurrency: 2, queue: {max: 5, wait: 20s}"})
	c.atEnd = c.unbroken
	inStream := c.dial().send(ask(true, "stall=3"))
	waits := c.dial().send(ask(true, "stall-head", onlyA))
	c.open(2)
	inLine := c.dial().send(ask(false, "", onlyA))
	c.inLine(1)
	inHead := c.dial().send(ask(true, "")[:30])
	idle := c.dial()
	body := ask(true, "")
	inBody := c.dial().send(body[:len(body)-5])
	c.within("a body is read", func() bool { return c.proxy.Metrics.Streams() == 4 })
	c.stop()
	if got := inStream.read(); got.errors() != 1 || !got.whole {
		t.Errorf("in a stream: %+v", got)
	}
	for what, v := range map[string]*visitor{"an attempt": waits, "the line": inLine, "the head": inHead, "the body": inBody} {
		if got := v.read(); got.status != 503 || got.code != "draining" {
			t.Errorf("in %s: %+v", what, got)
		}
		v.Close()
	}
	if _, err := idle.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("a connection that asked nothing: %v", err)
	}
	c.end()
}
