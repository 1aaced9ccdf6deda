package main

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"sluice/engine"
	"sluice/engine/health"
	"sluice/engine/keys"
	"sluice/engine/ledger"
	"sluice/engine/limits"
	"sluice/proxy/simulate"
)

// TestChaos is what goes wrong around a gateway, by what it is. Each part ends a gateway and checks that nothing is left of any request: see
// settled and end. TestAStorm is all of it at once.
func TestChaos(t *testing.T) {
	for _, c := range []struct {
		what string
		test func(*testing.T)
	}{
		{"latency, refusal, reset, garbage, stall, half-open socket, DNS failure", whatAnUpstreamDoesBeforeItAnswers},
		{"reset after n bytes", anUpstreamThatIsResetAfterAnyByte},
		{"stream cut, reset or stalled at every event", aStreamThatBreaksAnywhere},
		{"every stream of an upstream breaks", anUpstreamWhoseStreamsBreak},
		{"message cut, reset or stalled", aMessageThatIsCut},
		{"probes while a breaker is half open", manyClientsAndOneProbe},
		{"clients that vanish at every stage", aClientThatVanishesAnywhere},
		{"senders and readers that are too slow", aClientThatIsTooSlow},
		{"slow reader", aSlowReaderGetsItAll},
		{"slow sender", aSlowSenderIsServed},
		{"clock that jumps: cool-down", aCoolDownTakesAsLongWhateverTheClockSays},
		{"clock that jumps: breaker", aBreakerIsOpenAsLongWhateverTheClockSays},
		{"clock that jumps: limits", aWindowIsAsLongWhateverTheClockSays},
		{"reloads amid all", aSecondWorldAmidAll},
		{"SIGTERM amid all", theEndAmidAll},
	} {
		t.Run(c.what, c.test)
	}
}

// chaos is a gateway, wired as serve wires it, with limits and a ledger, before two providers that go wrong. The strategy asks a first.
type chaos struct {
	*live
	t       *testing.T
	dir     string
	builder *builder
	a, b    *simulate.Provider
	asked   atomic.Int64 // requests that there must be a row of
	breaker [2]string    // of a and b, as they must be at the end; "" = nobody can tell
	atEnd   func()       // what else must be; may be nil
	stop    context.CancelFunc
	done    chan error
}

// settings are what a test changes in the config of chaos.
type settings struct {
	timeouts string // "idle: 200ms", in place of waits that no test reaches
	upstream string // of a: ", queue: …"
	url      string // of a, in place of the simulated one
	open     string // how long a breaker is open, in place of 30s
}

func startChaos(t *testing.T, s settings) *chaos {
	t.Helper()
	dir := t.TempDir()
	c := &chaos{t: t, dir: dir, live: &live{scripts: filepath.Join(dir, "scripts"), client: &http.Client{}}, done: make(chan error, 1),
		breaker: [2]string{"closed", "closed"}}
	c.a, c.b = c.simulate("a"), c.simulate("b")
	if s.url == "" {
		s.url = c.a.URL()
	}
	file := filepath.Join(dir, "sluice.yaml")
	c.write(t, "filters/choose.star", onlyFilter)
	if err := os.WriteFile(file, []byte(chaosConfig(s, c.b.URL())), 0o644); err != nil {
		t.Fatal(err)
	}
	c.builder = newBuilder(file)
	c.gateway = &gateway{out: newConsole(io.Discard, io.Discard), world: &engine.World{}}
	var err error
	if c.cfg, err = readConfig(c.builder); err != nil {
		t.Fatal(err)
	}
	if err := c.start(c.builder); err != nil {
		t.Fatal(err)
	}
	c.proxy.Notice = time.Millisecond
	ctx, stop := context.WithCancel(context.Background())
	c.stop = stop
	go func() { c.done <- c.run(ctx) }()
	t.Cleanup(c.end)
	return c
}

// onlyFilter keeps the upstream that the request names, if it does.
const onlyFilter = `
def filter(ctx, principal, candidates):
    only = ctx.headers["x-only"]
    return [c for c in candidates if not only or c.name == only]
`

func chaosConfig(s settings, b string) string {
	waits := map[string]string{"connect": "20s", "response_header": "20s", "idle": "20s", "client_header": "20s", "client_body": "20s", "client_write": "20s", "drain": "20s"}
	for _, pair := range strings.Split(s.timeouts, ", ") {
		if name, wait, ok := strings.Cut(pair, ": "); ok {
			waits[name] = wait
		}
	}
	text := "listen: 127.0.0.1:0\nadmin: {listen: 127.0.0.1:0}\nscripts: ./scripts\ndata: ./data\nstrategy: priority\nbudgets: {time: 10s}\ntimeouts:\n"
	for _, name := range slices.Sorted(maps.Keys(waits)) {
		text += fmt.Sprintf("  %s: %s\n", name, waits[name])
	}
	const upstream = "  - {name: %s, kind: anthropic_direct, base_url: %q, priority: %d, signer: {type: anthropic_key, key: k}, " +
		"breaker: {failures: 5, within: 10s, open: %s}%s}\n"
	open := cmp.Or(s.open, "30s")
	text += "upstreams:\n" + fmt.Sprintf(upstream, "a", s.url, 0, open, s.upstream) + fmt.Sprintf(upstream, "b", b, 1, open, "")
	return text + fmt.Sprintf("principals:\n  - name: p\n    keys: [%q]\n    limits: [{kind: requests, window: 1h, max: 1000000}, "+
		"{kind: output_tokens, window: 1h, max: 100000000}, {kind: concurrency, max: 1000}]\n", keys.Sum(liveKey)) +
		"filters: [{name: choose, script: filters/choose.star}]\n"
}

func (c *chaos) simulate(name string) *simulate.Provider {
	p, err := simulate.Start(simulate.Options{Name: name, Words: 5})
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() { p.Close() })
	return p
}

// within fails unless f becomes true.
func (c *chaos) within(what string, f func() bool) {
	c.t.Helper()
	for deadline := time.Now().Add(patience); !f(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			c.t.Fatalf("%s: not in time", what)
		}
	}
}

// settled checks that nothing of any request is left: no exchange, no byte of a body, no place at an upstream, nothing held of a limit, no
// answer in flight at a provider; and that each request has its row.
func (c *chaos) settled() {
	c.t.Helper()
	m := &c.proxy.Metrics
	c.within("rows are written", func() bool { return c.book.Stats().Rows >= c.asked.Load() }) // first: what was sent may not be read yet
	c.within("exchanges end", func() bool { return m.Streams() == 0 && m.BodyBytes() == 0 })
	for _, u := range c.upstreams() {
		if v := c.builder.vitals.Vitals(u, time.Now()); v.InFlight != 0 || v.Queued != 0 {
			c.t.Errorf("upstream %s: %d in flight, %d in line", u.Name, v.InFlight, v.Queued)
		}
	}
	c.nothingHeld()
	c.within("providers see the end of every answer", func() bool { return c.a.Open() == 0 && c.b.Open() == 0 })
	if s := c.book.Stats(); s.Rows != c.asked.Load() || s.Waiting != 0 || s.Dropped != 0 {
		c.t.Errorf("%d requests, and rows: %+v", c.asked.Load(), s)
	}
}

func (c *chaos) upstreams() []*engine.Upstream {
	g := c.world.Lease()
	defer g.Release()
	var out []*engine.Upstream
	for _, u := range g.Upstreams {
		out = append(out, u.Upstream)
	}
	return out
}

// nothingHeld checks that no request holds anything of a limit: rules that differ in their maximum alone share what was counted, and one
// that has room for a single request more lets in only who is alone.
func (c *chaos) nothingHeld() {
	c.t.Helper()
	of := func(r limits.Rule) *limits.Set {
		return c.builder.spending.Set(limits.Holder{Principal: "p", Rules: []limits.Rule{r}}, nil)
	}
	tokens := limits.Rule{Kind: limits.OutputTokens, Window: time.Hour, Max: 1 << 40}
	var left int64
	fmt.Sscan(of(tokens).Headers(time.Now()).Get("anthropic-ratelimit-output-tokens-remaining"), &left)
	tokens.Max -= left - 1
	for _, r := range []limits.Rule{tokens, {Kind: limits.Concurrency, Max: 1}} {
		held, err := of(r).Reserve(time.Now(), engine.Demand{Model: "claude-x"})
		if err != nil {
			c.t.Errorf("something is held of %s: %v", r.Kind, err)
			continue
		}
		held.Refund(time.Now())
	}
}

// end shuts the gateway down, as SIGTERM does, and checks that nothing is left: no goroutine, no connection, and on disk a row for each
// request. The breakers are as they must be.
func (c *chaos) end() {
	if c.stop == nil {
		return
	}
	c.stop()
	c.stop = nil
	if err := <-c.done; err != nil {
		c.t.Errorf("serve: %v", err)
	}
	c.settled()
	if c.atEnd != nil {
		c.atEnd()
	}
	for i, name := range []string{"a", "b"} {
		if got := c.state(name); c.breaker[i] != "" && got != c.breaker[i] {
			c.t.Errorf("breaker of %s: %s, want %s", name, got, c.breaker[i])
		}
	}
	c.close()
	c.within("connections to providers are closed", func() bool { return c.a.Connections() == 0 && c.b.Connections() == 0 })
	for deadline := time.Now().Add(patience); len(gatewayGoroutines()) > 0; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			c.t.Fatalf("a goroutine is left:\n%s", gatewayGoroutines()[0])
		}
	}
	book, err := ledger.Open(ledger.Options{Dir: filepath.Join(c.dir, "data", "ledger"), ReadOnly: true})
	if err != nil {
		c.t.Fatal(err)
	}
	defer book.Close()
	seen := map[string]bool{}
	if err := book.Scan(time.Time{}, func(r *engine.Record) bool { seen[r.RequestID] = true; return true }); err != nil {
		c.t.Fatal(err)
	}
	if int64(len(seen)) != c.asked.Load() {
		c.t.Errorf("%d rows on disk of %d requests", len(seen), c.asked.Load())
	}
}

// gatewayGoroutines are the stacks that run code of a gateway.
func gatewayGoroutines() []string {
	dump := make([]byte, 1<<22)
	dump = dump[:runtime.Stack(dump, true)]
	var out []string
	for _, stack := range strings.Split(string(dump), "\n\n")[1:] {
		for _, part := range []string{"sluice/proxy.", "sluice/proxy/admin.", "sluice/engine", "sluice/runtimes", "(*gateway)"} {
			if strings.Contains(stack, part) {
				out = append(out, stack)
				break
			}
		}
	}
	return out
}

// rows are the records so far, oldest first.
func (c *chaos) rows() []*engine.Record {
	c.t.Helper()
	rows, err := c.book.Recent(ledger.Query{Limit: 1 << 20})
	if err != nil {
		c.t.Fatal(err)
	}
	slices.Reverse(rows)
	return rows
}

// state is that of an upstream's circuit breaker.
func (c *chaos) state(name string) string {
	return c.builder.vitals.Vitals(c.slot(name), time.Now()).Breaker
}

// unbroken checks that no answer of an upstream counts as broken off: neither a client that leaves nor the end of a gateway is its failure.
func (c *chaos) unbroken() {
	c.t.Helper()
	for _, u := range c.upstreams() {
		if n := c.builder.vitals.(*health.Tracker).Failures(u)["broke"]; n != 0 {
			c.t.Errorf("%d answers of %s count as broken off", n, u.Name)
		}
	}
}

// visitor is a client on a connection of its own.
type visitor struct {
	*net.TCPConn
	c *chaos
}

func (c *chaos) dial() *visitor {
	c.t.Helper()
	nc, err := net.Dial("tcp", c.listen[0].Addr().String())
	if err != nil {
		c.t.Fatal(err)
	}
	_ = nc.SetDeadline(time.Now().Add(patience))
	return &visitor{nc.(*net.TCPConn), c}
}

// chaosBody is the body of a request.
func chaosBody(stream bool) string {
	return fmt.Sprintf(`{"model":"claude-x","max_tokens":64,"stream":%t,"messages":[{"role":"user","content":"hi"}]}`, stream)
}

// ask is the text of a request that wishes for a fault: "a:500,b:stall". More header lines end in CR LF.
func ask(stream bool, fault string, lines ...string) string {
	body := chaosBody(stream)
	return fmt.Sprintf("POST /v1/messages HTTP/1.1\r\nhost: x\r\nx-api-key: %s\r\nanthropic-version: 2023-06-01\r\nx-simulate-fault: %s\r\n%s"+
		"content-length: %d\r\n\r\n%s", liveKey, fault, strings.Join(lines, ""), len(body), body)
}

// send sends a request, or the part of one that makes a row.
func (v *visitor) send(text string) *visitor {
	v.c.asked.Add(1)
	_, _ = io.WriteString(v, text) // a gateway that had enough of it closes
	return v
}

// heard is what a client got.
type heard struct {
	status int // 0 = no answer
	code   string
	body   string
	whole  bool // it ended as HTTP says that it does
}

func (v *visitor) read() heard {
	resp, err := http.ReadResponse(bufio.NewReader(v), nil)
	if err != nil {
		return heard{}
	}
	body, err := io.ReadAll(resp.Body)
	return heard{resp.StatusCode, resp.Header.Get("x-sluice-error"), string(body), err == nil}
}

// do asks, hears the answer and closes.
func (c *chaos) do(text string) heard {
	v := c.dial().send(text)
	defer v.Close()
	return v.read()
}

// errors is how many times an event stream told of an error.
func (h heard) errors() int { return strings.Count(h.body, "event: error") }

// reset ends the connection in the hardest way.
func (v *visitor) reset() error {
	return errors.Join(v.SetLinger(0), v.Close())
}
