package main

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"sluice/engine/keys"
	"sluice/proxy/simulate"
)

// deniesBy is a filter that says no where its library does.
var deniesBy = map[string][2]string{
	".star": {"load(\"lib/x.star\", \"word\")\ndef filter(ctx, principal, candidates):\n    return {\"deny\": \"no\"} if word() == \"no\" else candidates\n",
		"def word():\n    return %q\n"},
	".lua": {"local x = require(\"lib.x\")\nfunction filter(ctx, principal, candidates)\n  if x.word() == \"no\" then return {deny = \"no\"} end\n  return candidates\nend\n",
		"return { word = function() return %q end }\n"},
}

// An edit of a library counts after the config was edited that binds the script, too: what a config makes anew of a script that it does not
// change is that script still, with the same version.
func TestALibraryIsLookedAtAfterAnEditOfTheConfig(t *testing.T) {
	t.Parallel()
	p, err := simulate.Start(simulate.Options{Name: "a", Keep: -1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	for ext, files := range deniesBy {
		t.Run(ext[1:], func(t *testing.T) {
			dir, lib := t.TempDir(), "lib/x"+ext
			config := func(principals ...string) string {
				text := "listen: 127.0.0.1:0\nadmin: {listen: 127.0.0.1:0}\nscripts: ./scripts\ndata: ./data\n" + fmt.Sprintf(
					"upstreams: [{name: a, kind: anthropic_direct, base_url: %q, signer: {type: anthropic_key, key: k}}]\nfilters: [{script: all%s}]\nprincipals:\n", p.URL(), ext)
				for _, who := range principals {
					text += fmt.Sprintf("  - {name: %s, keys: [%q]}\n", who, keys.Sum(containedKey(who)))
				}
				return text
			}
			c := containWith(t, dir, config("alice"), map[string]string{"all" + ext: files[0], lib: fmt.Sprintf(files[1], "yes")}, nil)
			answers := func(word, want string) {
				t.Helper()
				c.write(t, lib, fmt.Sprintf(files[1], word))
				c.until("the library says "+word, func() bool { return c.send("alice") == want })
			}
			first := c.script().Version
			answers("no", "403 denied_by_filter")
			c.until("the status tells it", func() bool { return c.script().Version != first }) // a moment after it serves
			before := c.script()
			if err := os.WriteFile(filepath.Join(dir, "sluice.yaml"), []byte(config("alice", "bob")), 0o644); err != nil {
				t.Fatal(err)
			}
			c.until("bob is let in", func() bool { return c.send("bob") == "403 denied_by_filter" })
			if after := c.script(); after.Version != before.Version {
				t.Errorf("the script is %s after an edit of the config, want %s", after.Version, before.Version)
			}
			answers("yes", "200")
			answers("no", "403 denied_by_filter")
			if err := os.Remove(filepath.Join(dir, "scripts", lib)); err != nil {
				t.Fatal(err)
			}
			c.until("the library is missed", func() bool { return c.script().LastError != nil })
			c.expect(c.send("bob"), "403 denied_by_filter")
		})
	}
}
