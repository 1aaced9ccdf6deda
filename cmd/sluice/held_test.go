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
