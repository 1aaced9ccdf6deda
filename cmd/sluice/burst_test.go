//go:build !race

package main

import (
	"fmt"
	"maps"
	"strings"
	"sync"
	"testing"
)

// Many requests at once, whose policy takes some milliseconds each, wait for each other. None of that time is the script's: no budget is
// overrun, the policy decides about each of them, and nothing is put aside.
func TestABurstIsDecidedByThePolicy(t *testing.T) {
	const burst = 150
	for ext, script := range map[string]string{
		".star": "def filter(ctx, principal, candidates):\n    n = 0\n    for i in range(8000):\n        n += len(str(i))\n" +
			"    return {\"deny\": \"no\"} if ctx.headers.get(\"x-no\") else candidates\n",
		".lua": "function filter(ctx, principal, candidates)\n  local n = 0\n  for i = 1, 8000 do n = n + #tostring(i) end\n" +
			"  if ctx.headers[\"x-no\"] then return {deny = \"no\"} end\n  return candidates\nend\n",
	} {
		t.Run(ext[1:], func(t *testing.T) {
			c := contain(t, fmt.Sprintf("filters: [{script: filters/f%s}]\n", ext), map[string]string{"filters/f" + ext: script}, nil)
			c.expectOf(burst, "403 denied_by_filter")
			if s := c.script(); s.Overruns > 0 || len(s.Aside) > 0 || strings.Contains(c.logged(), "budgets") {
				t.Errorf("%d overruns, put aside for %d, want none:\n%s", s.Overruns, len(s.Aside), c.logged())
			}
		})
	}
}

// Calls that wait for each other hold little: most have hardly begun. There is memory for those that go on, though it is not for all at once.
func TestABurstFindsMemory(t *testing.T) {
	const burst = 150
	for ext, script := range map[string]string{
		".star": "def filter(ctx, principal, candidates):\n    n = ctx.now_ms\n    for i in range(25000):\n        n += i % 7\n    return {\"deny\": \"no\"}\n",
		".lua": "function filter(ctx, principal, candidates)\n  local n, t = ctx.now_ms, {}\n  for i = 1, 12000 do t[#t + 1] = \"k\" .. i end\n" +
			"  return {deny = \"no\"}\nend\n",
	} {
		t.Run(ext[1:], func(t *testing.T) {
			config := fmt.Sprintf("budgets: {time: 200ms, memory: 8MiB, total_memory: 128MiB}\nfilters: [{script: filters/f%s}]\n", ext)
			c := contain(t, config, map[string]string{"filters/f" + ext: script}, nil)
			c.expectOf(burst, "403 denied_by_filter")
			if s := c.script(); s.Overruns > 0 || strings.Contains(c.logged(), "budgets") {
				t.Errorf("%d overruns, want none:\n%s", s.Overruns, c.logged())
			}
		})
	}
}

// expectOf sends a burst of requests of three principals, and wants one answer to all.
func (c *contained) expectOf(burst int, want string) {
	c.t.Helper()
	answers, mu := map[string]int{}, sync.Mutex{}
	var all sync.WaitGroup
	for i := range burst {
		all.Go(func() {
			got := c.send([]string{"alice", "bob", "carol"}[i%3], "x-no: 1", fmt.Sprintf("x-request: %d", i))
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
