//go:build !race

package main

import (
	"fmt"
	"testing"
)

// What has served starts again, also where its top level takes longer than a call may: a process that starts is slower than one that has run. An
// edit that gives calls so little time is refused as a new script is, since calls may have to run the top level themselves.
func TestWhatServedStartsAgainThoughItsTopLevelIsSlow(t *testing.T) {
	for ext, text := range map[string]string{
		".star": "N = len([i for i in range(150000) if i % 7])\ndef filter(ctx, principal, candidates):\n    return {\"deny\": \"no\"}\n",
		".lua": "local n = 0\nfor i = 1, 600000 do n = n + i % 7 end\nfunction filter(ctx, principal, candidates)\n" +
			"  return {deny = \"no\"}\nend\n",
	} {
		t.Run(ext[1:], func(t *testing.T) {
			r := newRestarts(t)
			config := func(time string) string {
				return r.text("", "", fmt.Sprintf("filters: [{script: f%s}]\nbudgets: {time: %s, steps: 100000000, memory: 512MiB}\n", ext, time))
			}
			r.serving("the edit", config("10s"), map[string]string{"f" + ext: text}, func() {
				r.config(config("2ms"))
				r.said("the call took longer than budgets.time: 2ms")
				r.expect(r.send("alice"), "403 denied_by_filter")
			})
			r.serving("the restart", config("40ms"), nil, func() { r.expect(r.send("alice"), "403 denied_by_filter") })
		})
	}
}
