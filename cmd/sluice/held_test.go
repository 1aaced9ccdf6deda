//go:build !race

package main

import (
	"fmt"
	"strings"
	"testing"
)

// What serves no more leaves its memory: each edit finds room beside what serves, first for its probes and then for what is to serve.
func TestAnEditFindsRoomBesideWhatServes(t *testing.T) {
	for ext, text := range laden {
		t.Run(ext, func(t *testing.T) {
			// Half of total_memory has room for two of these top levels, not for three.
			c := contain(t, "budgets: {time: 3s, steps: 100000000, memory: 128MiB, total_memory: 280MiB}\nfilters: [{script: f"+ext+"}]\n",
				map[string]string{"f" + ext: text}, nil)
			for n := range 4 {
				version := c.script().Version
				c.write(t, "f"+ext, fmt.Sprintf("%s%s %d\n", text, map[string]string{".star": "#", ".lua": "--"}[ext], n))
				c.until("the edit counts", func() bool { return c.script().Version != version })
				c.expect(c.send("alice"), "403 denied_by_filter")
			}
			if log := c.logged(); strings.Count(log, "no room") > 1 { // one may find that a busy machine has not collected yet
				t.Errorf("the log:\n%s", log)
			}
		})
	}
}

// An edit of what a script sees of the config needs no room for another top level of it, as a restart does not.
func TestAnEditOfTheConfigFindsRoomForWhatServes(t *testing.T) {
	seen := map[string]string{
		".star": "ROWS = [(\"%d\" % i) * 100 for i in range(20000)]\ndef filter(ctx, principal, candidates):\n    return {\"deny\": principal.claims[\"team\"]}\n",
		".lua": "local rows = {}\nfor i = 1, 20000 do rows[i] = string.rep(tostring(i), 100) end\n" +
			"function filter(ctx, principal, candidates)\n  return {deny = principal.claims.team .. string.rep(\"\", #rows)}\nend\n",
	}
	for ext, text := range seen {
		t.Run(ext, func(t *testing.T) {
			r := newRestarts(t)
			config := func(team string) string {
				return r.text("", ", claims: {team: "+team+"}", "budgets: {time: 3s, steps: 100000000, memory: 32MiB, total_memory: 32MiB}\nfilters: [{script: f"+ext+"}]\n")
			}
			r.contained = containWith(t, r.dir, config("one"), map[string]string{"f" + ext: text}, nil)
			r.config(config("two"))
			r.until("the edit counts", func() bool { return r.denial("x-a: b") == "two" })
		})
	}
}
