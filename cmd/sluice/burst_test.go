//go:build !race

package main

import (
	"fmt"
	"maps"
	"strings"
	"sync"
	"testing"

	"sluice/engine/keys"
)

// bursts are many requests at once, whose policy denies each. They wait for each other, or share what there is for all: none of that is the
// script's doing, and a call that waits for another has begun little.
var bursts = map[string]struct {
	requests, principals int
	budgets              string // beside the default ones
	scripts              map[string]string
}{
	"of some milliseconds each": {150, 3, "time: 200ms", map[string]string{
		".star": "def filter(ctx, principal, candidates):\n    n = 0\n    for i in range(8000):\n        n += len(str(i))\n    return {\"deny\": \"no\"}\n",
		".lua": "function filter(ctx, principal, candidates)\n  local n = 0\n  for i = 1, 8000 do n = n + #tostring(i) end\n" +
			"  return {deny = \"no\"}\nend\n",
	}},
	"whose memory is not there for all": {250, 3, "time: 200ms, memory: 8MiB, total_memory: 64MiB", heavy},
	"of many principals":                {60, 60, "time: 200ms, memory: 8MiB, total_memory: 64MiB", heavy},
	"that each hold a part of it": {20, 20, "time: 2s, memory: 32MiB, total_memory: 96MiB", map[string]string{
		".star": "def filter(ctx, principal, candidates):\n    texts = [\"x\" * (1 << 20) for i in range(24)]\n    return {\"deny\": \"no\"}\n",
		".lua": "function filter(ctx, principal, candidates)\n  local texts = {}\n  for i = 1, 24 do texts[i] = string.rep(\"x\", 1048576) end\n" +
			"  return {deny = \"no\"}\nend\n",
	}},
	"that each make a long text": {200, 1, "time: 200ms", map[string]string{
		".star": "def filter(ctx, principal, candidates):\n    text = \"x\" * (1 << 20)\n    return {\"deny\": \"no\"}\n",
		".lua":  "function filter(ctx, principal, candidates)\n  local text = string.rep(\"x\", 1048576)\n  return {deny = \"no\"}\nend\n",
	}},
	"that wait for what others leave": {60, 2, "time: 200ms", map[string]string{
		".star": "def filter(ctx, principal, candidates):\n    texts = [\"x\" * (1 << 20) for i in range(24)]\n    return {\"deny\": \"no\"}\n",
		".lua": "function filter(ctx, principal, candidates)\n  local texts = {}\n  for i = 1, 24 do texts[i] = string.rep(\"x\", 1048576) end\n" +
			"  return {deny = \"no\"}\nend\n",
	}},
}

// heavy are filters that allocate most of 8 MiB step by step.
var heavy = map[string]string{
	".star": "def filter(ctx, principal, candidates):\n    n = ctx.now_ms\n    for i in range(25000):\n        n += i % 7\n    return {\"deny\": \"no\"}\n",
	".lua": "function filter(ctx, principal, candidates)\n  local t = {}\n  for i = 1, 12000 do t[#t + 1] = string.rep(\"k\", 150) .. i end\n" +
		"  return {deny = \"no\"}\nend\n",
}

// No budget is overrun in a burst, the policy decides about each of its requests, and nothing is put aside.
func TestABurstIsDecidedByThePolicy(t *testing.T) {
	for name, b := range bursts {
		for ext, script := range b.scripts {
			t.Run(name+ext, func(t *testing.T) {
				who, config := make([]string, b.principals), ""
				for i := range who {
					who[i] = fmt.Sprintf("p%d", i)
					config += fmt.Sprintf("  - {name: p%d, keys: [%q]}\n", i, keys.Sum(containedKey(who[i])))
				}
				config += fmt.Sprintf("budgets: {%s}\nfilters: [{script: filters/f%s}]\n", b.budgets, ext)
				c := contain(t, config, map[string]string{"filters/f" + ext: script}, nil)
				c.expectOf(b.requests, who, "403 denied_by_filter")
				if s := c.script(); s.Overruns > 0 || len(s.Aside) > 0 || strings.Contains(c.logged(), "budgets") {
					t.Errorf("%d overruns, put aside for %d, want none:\n%s", s.Overruns, len(s.Aside), c.logged())
				}
			})
		}
	}
}

// expectOf sends a burst of requests of principals in turn, and wants one answer to all.
func (c *contained) expectOf(burst int, who []string, want string) {
	c.t.Helper()
	answers, mu := map[string]int{}, sync.Mutex{}
	var all sync.WaitGroup
	for i := range burst {
		all.Go(func() {
			got := c.send(who[i%len(who)], fmt.Sprintf("x-request: %d", i))
			mu.Lock()
			defer mu.Unlock()
			answers[got]++
		})
	}
	all.Wait()
	if want := map[string]int{want: burst}; !maps.Equal(answers, want) {
		c.t.Errorf("a burst is answered %v, want %v", answers, want)
	}
}

// laden are filters whose top level leaves much, says that it ran, and takes longer than all of the calls below.
var laden = map[string]string{
	".star": "log(\"the top level runs\")\nROWS = [(i, [i], {\"a\": i}) for i in range(60000)]\n" +
		"def filter(ctx, principal, candidates):\n    return {\"deny\": str(ctx.now_ms + len(ROWS))[:0] + \"no\"}\n",
	".lua": "log('the top level runs')\nlocal rows = {}\nfor i = 1, 60000 do rows[i] = {i, {i}, {a = i}} end\n" +
		"function filter(ctx, principal, candidates)\n  return {deny = string.sub(ctx.now_ms + #rows, 1, 0) .. 'no'}\nend\n",
}

// A burst does not run a long top level for each of its requests.
func TestABurstRunsALongTopLevelSeldom(t *testing.T) {
	for ext, script := range laden {
		t.Run(ext, func(t *testing.T) {
			c := contain(t, "budgets: {time: 3s, steps: 100000000}\nfilters: [{script: filters/f"+ext+"}]\n", map[string]string{"filters/f" + ext: script}, nil)
			const burst = 100
			c.expectOf(burst, []string{"alice", "bob", "carol"}, "403 denied_by_filter")
			if n := strings.Count(c.logged(), "the top level runs"); n > burst/4 {
				t.Errorf("the top level ran %d times for %d requests", n, burst)
			}
		})
	}
}
