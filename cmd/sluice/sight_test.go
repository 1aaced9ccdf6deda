package main

import (
	"strings"
	"testing"

	"sluice/engine/reload"
)

// A script is admitted anew for what it sees of the config, and for nothing else of that.
func TestAScriptIsAdmittedAnewForWhatItSees(t *testing.T) {
	before := "data_key: ${KEY}\nbudgets: {time: 1s}\nupstreams:\n" +
		"  - {name: a, kind: anthropic_direct, signer: {type: anthropic_key, key: k}, labels: {tier: gold}, dialect: none}\n" +
		"  - {name: b, kind: anthropic_direct, signer: {type: anthropic_key, key: k}, dialect: {script: d.star}}\n" +
		"filters: [{script: f.star, config: {most: 1, list: [1, 2]}}]\n" +
		"principals: [{name: alice, keys: [\"sha256:" + sixtyFour + "\"], claims: {team: x}}]\n"
	bindings := func(text, script string) string {
		b := newBuilder("sluice.yaml")
		b.text = []byte(strings.Replace(text, "${KEY}", strings.Repeat("0", 64), 1))
		plan, err := b.read(&reload.Input{})
		if err != nil {
			t.Fatal(err)
		}
		s := &scripting{builder: b, plan: plan, snapshot: reload.NewSnapshot(nil)}
		s.collect()
		return s.bindings(script)
	}
	f := func(old, text, anew string) {
		t.Helper()
		after := strings.Replace(before, old, text, 1)
		got := ""
		for _, script := range []string{"d.star", "f.star"} {
			if bindings(before, script) != bindings(after, script) {
				got += script + " "
			}
		}
		if got = strings.TrimSpace(got); after == before || got != anew {
			t.Errorf("%s in place of %s: admitted anew %q, want %q", text, old, got, anew)
		}
	}
	f("key: k}", "key: other}", "")
	f("sha256:0", "sha256:1", "")
	f("upstreams:\n", "upstreams:\n\n", "")
	f("time: 1s", "time: 2s", "d.star f.star")
	f("time: 1s", "time: 1s, total_memory: 1GiB", "d.star f.star")
	f("tier: gold", "tier: 1", "f.star")
	f("labels: {tier: gold}", "region: r", "f.star")
	f("script: d.star", "script: d.star, config: {x: 1}", "d.star")
	f("most: 1", "most: \"1\"", "f.star")
	f("[1, 2]", "[1, \"2\"]", "f.star")
	f("list: [1, 2]", "list: {a: 1}", "f.star")
	f("team: x", "team: y", "d.star f.star")
	f("name: alice", "name: bob", "d.star f.star")
}

var sixtyFour = strings.Repeat("0", 64)
