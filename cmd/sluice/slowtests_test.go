//go:build !race

// The race detector takes ten times the time: what these scripts are held to would mean nothing.

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sluice/engine/keys"
	"sluice/proxy/simulate"
)

// spinning is a test that takes some 10 ms, in both languages, keeping and denying are filters.
var (
	spinning = map[string]string{
		".star": "def test_%d(t):\n    for i in range(400000):\n        pass\n",
		".lua":  "function test_%d(t)\n  for i = 1, 400000 do end\nend\n",
	}
	keeping = map[string]string{
		".star": "def filter(ctx, principal, candidates):\n    return candidates\n",
		".lua":  "function filter(ctx, principal, candidates)\n  return candidates\nend\n",
	}
	denying = map[string]string{
		".star": "def filter(ctx, principal, candidates):\n    return {\"deny\": \"edited\"}\n",
		".lua":  "function filter(ctx, principal, candidates)\n  return { deny = \"edited\" }\nend\n",
	}
)

// Slow tests of scripts hold neither the edit of another script up for long nor a key that is taken out of the config, and are told.
func TestSlowTestsHoldNoOtherEditUp(t *testing.T) {
	for ext := range spinning {
		t.Run(ext[1:], func(t *testing.T) {
			sim, err := simulate.Start(simulate.Options{Name: "a", Keep: -1})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { sim.Close() })
			config := func(principals ...string) string {
				text := "listen: 127.0.0.1:0\nadmin: {listen: 127.0.0.1:0}\nscripts: ./scripts\ndata: ./data\nbudgets: {time: 1s, steps: 1000000000}\n" +
					fmt.Sprintf("upstreams: [{name: a, kind: anthropic_direct, base_url: %q, signer: {type: anthropic_key, key: k}}]\n", sim.URL()) +
					strings.ReplaceAll("filters: [{script: other%}, {script: a%}, {script: b%}]\nprincipals:\n", "%", ext)
				for _, who := range principals {
					text += fmt.Sprintf("  - {name: %s, keys: [%q]}\n", who, keys.Sum(containedKey(who)))
				}
				return text
			}
			scripts, slowed := map[string]string{"other" + ext: keeping[ext]}, keeping[ext]
			for i := range 600 {
				slowed += fmt.Sprintf(spinning[ext], i)
			}
			for _, name := range []string{"a", "b"} {
				scripts[name+ext] = keeping[ext]
			}
			dir := t.TempDir()
			c := containWith(t, dir, config("alice", "bob"), scripts, nil)
			c.expect(c.send("bob"), "200")
			for _, name := range []string{"a", "b"} {
				c.write(t, name+ext, slowed)
			}
			c.write(t, "other"+ext, denying[ext])
			next := filepath.Join(dir, "next.yaml")
			if err := os.WriteFile(next, []byte(config("alice")), 0o644); err != nil {
				t.Fatal(err)
			}
			if err := os.Rename(next, filepath.Join(dir, "sluice.yaml")); err != nil {
				t.Fatal(err)
			}
			c.until("the edit counts", func() bool { return c.send("alice") == "403 denied_by_filter" })
			c.until("the key opens nothing", func() bool { return c.send("bob") == "401 bad_key" })
			c.until("it is told", func() bool {
				return strings.Contains(c.logged(), "a"+ext+": the tests took longer than 2s together")
			})
		})
	}
}
