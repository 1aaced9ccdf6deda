//go:build !race

package main

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"

	"sluice/engine"
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

// A restart takes no config for which an edit is refused, since what served is late in it: a filter whose calls all overrun lets requests through.
func TestARestartRefusesAConfigInWhichCallsAreLate(t *testing.T) {
	for ext, text := range map[string]string{
		".star": "def filter(ctx, principal, candidates):\n    for i in range(principal.claims[\"n\"]):\n        pass\n    return {\"deny\": \"no\"}\n",
		".lua": "function filter(ctx, principal, candidates)\n  local n = principal.claims.n\n  while n > 10 do end\n" +
			"  return {deny = \"no\"}\nend\n",
	} {
		t.Run(ext[1:], func(t *testing.T) {
			r := newRestarts(t)
			config := func(n int) string {
				return r.text("", fmt.Sprintf(", claims: {n: %d}", n), fmt.Sprintf("filters: [{script: f%s}]\nbudgets: {time: 100ms, steps: 100000000000}\n", ext))
			}
			const late = "the call took longer than budgets.time: 100ms"
			r.serving("the edit", config(10), map[string]string{"f" + ext: text}, func() {
				r.config(config(1_000_000_000))
				r.said(late)
				r.expect(r.send("alice"), "403 denied_by_filter")
			})
			b := newBuilder(r.file("sluice.yaml"))
			g := &gateway{out: newConsole(io.Discard, new(bytes.Buffer)), world: &engine.World{}}
			defer g.close()
			var err error
			if g.cfg, err = readConfig(b); err != nil {
				t.Fatal(err)
			}
			if err := g.start(b); err == nil || !strings.Contains(err.Error(), late) {
				t.Errorf("the restart: %v, want %q", err, late)
			}
		})
	}
}
