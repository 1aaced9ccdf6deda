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
			answers, mu := map[string]int{}, sync.Mutex{}
			var all sync.WaitGroup
			for i := range burst {
				all.Go(func() {
					who, got := []string{"alice", "bob", "carol"}[i%3], ""
					got = c.send(who, "x-no: 1", fmt.Sprintf("x-request: %d", i))
					mu.Lock()
					defer mu.Unlock()
					answers[got]++
				})
			}
			all.Wait()
			if want := map[string]int{"403 denied_by_filter": burst}; !maps.Equal(answers, want) {
				t.Errorf("a burst is answered %v, want %v", answers, want)
			}
			if s := c.script(); s.Overruns > 0 || len(s.Aside) > 0 || strings.Contains(c.logged(), "budgets") {
				t.Errorf("%d overruns, put aside for %d, want none:\n%s", s.Overruns, len(s.Aside), c.logged())
			}
		})
	}
}
