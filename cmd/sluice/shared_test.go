package main

import (
	"fmt"
	"strings"
	"testing"

	"sluice/engine/keys"
)

// hoarding is a dialect whose top level leaves so many pieces of 64 KiB behind, in both languages.
var hoarding = map[string]string{
	".star": "T = [\"x\" * 65536 for i in range(%d)]\ndef shape(ctx, upstream, principal, request):\n    pass\n",
	".lua":  "local T = {}\nfor i = 1, %d do T[i] = string.rep(\"x\", 65536) end\nfunction shape(ctx, upstream, principal, request)\n  return T.none\nend\n",
}

// manyUpstreams is a config with so many upstreams, all with one dialect.
func manyUpstreams(n int, dialect, more string) string {
	var text strings.Builder
	text.WriteString("listen: 127.0.0.1:0\nadmin: {listen: 127.0.0.1:0}\nscripts: ./scripts\ndata: ./data\nupstreams:\n")
	for i := range n {
		fmt.Fprintf(&text, "  - {name: u%d, kind: custom, base_url: \"http://127.0.0.1:1\", signer: {type: bearer, token: t}, dialect: {script: %s}}\n", i, dialect)
	}
	fmt.Fprintf(&text, "principals: [{name: alice, keys: [%q]}]\n", keys.Sum(containedKey("alice")))
	return text.String() + more
}

// What a script's top level leaves, and what it reads of upstreams, is there once, however many upstreams it speaks to.
func TestUpstreamsShareTheirDialect(t *testing.T) {
	const upstreams, pieces, most = 250, 8, 24 << 20
	for ext, text := range hoarding {
		t.Run(ext[1:], func(t *testing.T) {
			before := heap()
			containWith(t, t.TempDir(), manyUpstreams(upstreams, "d"+ext, "budgets: {time: 10s}\n"), map[string]string{"d" + ext: fmt.Sprintf(text, pieces)}, nil)
			if held := heap() - before; held > most {
				t.Errorf("a gateway with %d upstreams holds %.0f bytes, want at most %d", upstreams, held, most)
			}
		})
	}
}
