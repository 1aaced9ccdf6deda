package main

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"
)

// go test ./cmd/sluice -run Storm -storm 60s -seed 7
var (
	storm = flag.Duration("storm", time.Second, "how long everything goes wrong at once")
	seed  = flag.Uint64("seed", 1, "of what goes wrong in the storm")
)

// weather is what a request may wish for, by how it goes on at the client: most of it ends by itself.
var weather = []string{"none", "none", "none", "latency=3ms", "slow=1ms", "500", "502-html", "503", "529", "403", "404-model",
	"overloaded-429", "reset-before-head", "reset-bytes=30", "reset-bytes=900", "garbage", "cut-boundary=0", "cut-boundary=5", "cut-inside=2", "cut-json",
	"reset=3", "stall=2", "stall-head", "garbled=2", "error-event=1", "no-stop", "close-delimited", "1xx", "bigheader"}

// TestAStorm lets everything go wrong at once: providers, clients, the script and the config, and in the end SIGTERM comes.
func TestAStorm(t *testing.T) {
	c := startChaos(t, settings{timeouts: "response_header: 100ms, idle: 100ms, client_body: 100ms, client_write: 100ms, drain: 200ms",
		upstream: ", concurrency: 4, queue: {max: 3, wait: 20ms}", open: "20ms"})
	c.breaker = [2]string{}
	over := time.Now().Add(*storm)
	var wait sync.WaitGroup
	for n := range 16 {
		rng := rand.New(rand.NewPCG(*seed, uint64(n)))
		wait.Go(func() {
			for time.Now().Before(over) {
				c.anything(rng)
			}
		})
	}
	rng := rand.New(rand.NewPCG(*seed, 99))
	for i := 0; time.Now().Before(over); i++ {
		c.write(t, "filters/choose.star", fmt.Sprintf("%s# %d\n", onlyFilter, i))
		if _, err := c.loop.Reload(t.Context()); err != nil {
			t.Fatal(err)
		}
		mode := []string{"none", "none", "slow-read=1ms", "refuse", "half-open"}[rng.IntN(5)]
		if err := c.a.SetFault(mode); err != nil {
			t.Fatal(err)
		}
		time.Sleep(20 * time.Millisecond)
	}
	if err := c.a.SetFault("none"); err != nil {
		t.Fatal(err)
	}
	wait.Wait()
	c.settled()
	codes := map[string]int{}
	for _, r := range c.rows() {
		codes[fmt.Sprint(r.Status, " ", r.Code)]++
	}
	t.Logf("seed %d: %d requests, %d reloads: %v", *seed, c.asked.Load(), c.loop.Status().Generation, codes)
	if len(codes) < 8 {
		t.Errorf("that was no storm: %v", codes)
	}
	c.sinking(rng)
}

// sinking ends the gateway while requests are in whatever state chance has them.
func (c *chaos) sinking(rng *rand.Rand) {
	for range 16 {
		v := c.dial().send(ask(rng.IntN(2) > 0, []string{"none", "stall-head", "stall=1", "slow=10ms", "a:500,b:stall=2", "a:stall-head,b:garbage"}[rng.IntN(6)]))
		defer v.Close()
	}
	c.within("all requests are in", func() bool { return int64(len(c.rows()))+c.proxy.Metrics.Streams() >= c.asked.Load() })
	c.end()
}

// anything is one client that behaves as chance has it.
func (c *chaos) anything(rng *rand.Rand) {
	v := c.dial()
	defer v.Close()
	_ = v.SetDeadline(time.Now().Add(time.Duration(50+rng.IntN(200)) * time.Millisecond))
	pick := func() string { return weather[rng.IntN(len(weather))] }
	text := ask(rng.IntN(3) > 0, "a:"+pick()+",b:"+pick())
	switch rng.IntN(10) {
	case 0:
		return
	case 1:
		text = text[:1+rng.IntN(len(text)-1)]
	}
	v.send(text)
	switch rng.IntN(4) {
	case 0:
		time.Sleep(time.Duration(rng.IntN(10)) * time.Millisecond)
	case 1:
		_, _ = v.Read(make([]byte, 1+rng.IntN(500)))
	default:
		v.read()
	}
}
