package main

import (
	"fmt"
	"os"
	"path/filepath"
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

// An edit that leaves more at its top level than there is room for is refused, in a line that says why, and the last good version serves on.
// What serves is counted, once however many upstreams it is for.
func TestWhatTopLevelsLeaveIsBounded(t *testing.T) {
	for ext, text := range hoarding {
		t.Run(ext[1:], func(t *testing.T) {
			t.Parallel()
			config := manyUpstreams(20, "d"+ext, "budgets: {time: 10s, total_memory: 64MiB}\n")
			c := &leavers{contained: containWith(t, t.TempDir(), config, map[string]string{"d" + ext: fmt.Sprintf(text, 32)}, nil)}
			counted := func(pieces int) func() bool {
				return func() bool { held := c.memory(); return held >= (pieces-1)<<16 && held <= 2*pieces<<16 }
			}
			c.until("2 MiB are held", counted(32))
			c.write(t, "d"+ext, fmt.Sprintf(text, 640))
			c.until("it is refused", func() bool {
				log := c.logged()
				return strings.Contains(log, "d"+ext+": binding \"d\": the top level allocates 40.") && strings.Contains(log, "d"+ext+" serves on with version")
			})
			c.until("2 MiB are held", counted(32))
			c.write(t, "d"+ext, fmt.Sprintf(text, 64))
			c.until("4 MiB are held", counted(64))
		})
	}
}

// A filter that remembers its decisions keeps nothing of the versions of others that its principals have passed: any number of edits finds
// room for what a top level leaves.
func TestWhatIsRememberedKeepsNoVersionThatServesNoMore(t *testing.T) {
	const edits = 8
	remembers := map[string]string{
		".star": "def filter(ctx, principal, candidates):\n    return {\"deny\": \"no\"} if ctx.model == \"x\" else candidates\n",
		".lua":  "function filter(ctx, principal, candidates)\n  if ctx.model == \"x\" then return {deny = \"no\"} end\n  return candidates\nend\n",
	}
	hoards := map[string]string{
		".star": "T = [\"x\" * 65536 for i in range(48)]\ndef filter(ctx, principal, candidates):\n    return {\"deny\": \"no\"} if ctx.headers.get(\"x-edit\") == \"%d\" else candidates\n",
		".lua": "for i = 1, 48 do local t = string.rep(\"x\", 65536) end\n" + // texts that a function led to would end idle states
			"function filter(ctx, principal, candidates)\n  if ctx.headers[\"x-edit\"] == \"%d\" then return {deny = \"no\"} end\n  return candidates\nend\n",
	}
	for ext := range remembers {
		t.Run(ext[1:], func(t *testing.T) {
			t.Parallel()
			config := manyUpstreams(1, "none", "budgets: {time: 10s, memory: 8MiB, total_memory: 32MiB}\n")
			config = strings.Replace(config, "dialect: {script: none}", "dialect: none", 1)
			config = strings.Replace(config, "keys: [", fmt.Sprintf("filters: [{script: a%s}, {script: b%s}], keys: [", ext, ext), 1)
			c := containWith(t, t.TempDir(), config, map[string]string{"a" + ext: remembers[ext], "b" + ext: fmt.Sprintf(hoards[ext], 0)}, nil)
			for i := 1; i <= edits; i++ {
				for range 4 {
					c.send("alice", "x-edit: none")
				}
				c.write(t, "b"+ext, fmt.Sprintf(hoards[ext], i))
				c.until(fmt.Sprintf("edit %d counts", i), func() bool { return c.send("alice", fmt.Sprintf("x-edit: %d", i)) == "403 denied_by_filter" })
			}
		})
	}
}

// While a config is refused, each edit of a script counts under the one before, whose principals and upstreams stay the same ones: whatever
// remembers by them holds no more after many edits than after one.
func TestARefusedConfigMakesNothingAnewOfTheOneThatServes(t *testing.T) {
	const edits = 3
	for ext, text := range refusing {
		t.Run(ext[1:], func(t *testing.T) {
			t.Parallel()
			r := newRestarts(t)
			config := func(more string) string { return r.text("", "", "filters: [{script: f"+ext+"}"+more+"]\n") }
			r.contained = containWith(t, r.dir, config(""), map[string]string{"f" + ext: fmt.Sprintf(text, "0"), "broken" + ext: "("}, nil)
			g := r.world.Lease()
			defer g.Release()
			r.config(config(", {script: broken" + ext + "}"))
			r.said("sluice.yaml is refused")
			for i := 1; i <= edits; i++ {
				r.write(t, "f"+ext, fmt.Sprintf(text, fmt.Sprint(i)))
				r.until(fmt.Sprintf("edit %d counts", i), func() bool { return r.denial("x-edit: 1") == fmt.Sprint(i) })
				now := r.world.Lease()
				if now.Number == g.Number || now.Principals[0] != g.Principals[0] || now.Upstreams[0].Upstream != g.Upstreams[0].Upstream {
					t.Errorf("generation %d is of another plan than generation %d", now.Number, g.Number)
				}
				now.Release()
			}
		})
	}
}

// A config that raises budgets.total_memory has the scripts tried that there was no room for, also one that it names itself.
func TestMoreTotalMemoryLetsATopLevelIn(t *testing.T) {
	const small, large = "budgets: {time: 10s, memory: 8MiB, total_memory: 8MiB}\n", "budgets: {time: 10s, memory: 8MiB, total_memory: 256MiB}\n"
	for ext, text := range hoarding {
		t.Run(ext[1:], func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			scripts := map[string]string{"d" + ext: fmt.Sprintf(text, 1), "more" + ext: fmt.Sprintf(text, 96)}
			c := containWith(t, dir, manyUpstreams(1, "d"+ext, small), scripts, nil)
			config := func(text string) {
				if err := os.WriteFile(filepath.Join(dir, "sluice.yaml"), []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			c.write(t, "d"+ext, fmt.Sprintf(text, 96))
			c.until("the edit is refused", func() bool { return c.script().LastError != nil })
			config(manyUpstreams(1, "d"+ext, large))
			c.until("the edit counts", func() bool { return c.script().LastError == nil })
			config(manyUpstreams(1, "d"+ext, small))
			c.until("a config is refused that has no room for what serves", func() bool { return strings.Contains(c.admin(t, "/v1/status"), "budgets.total_memory") })
		})
		t.Run(ext[1:]+" in the same edit", func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			scripts := map[string]string{"d" + ext: fmt.Sprintf(text, 1), "more" + ext: fmt.Sprintf(text, 96)}
			c := containWith(t, dir, manyUpstreams(1, "d"+ext, small), scripts, nil)
			if err := os.WriteFile(filepath.Join(dir, "sluice.yaml"), []byte(manyUpstreams(1, "more"+ext, large)), 0o644); err != nil {
				t.Fatal(err)
			}
			c.until("the other script serves", func() bool { return c.script().Path == "more"+ext })
		})
	}
}

// A config that lowers budgets.total_memory is refused where it has room for what each top level leaves and not for all of that, as it would be at
// the start.
func TestATotalMemoryThatHasRoomForOneTopLevelAlone(t *testing.T) {
	for ext, text := range hoarding {
		t.Run(ext[1:], func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			config := func(memory string) string {
				text := manyUpstreams(2, "d"+ext, fmt.Sprintf("budgets: {time: 10s, memory: 8MiB, total_memory: %s}\n", memory))
				return strings.Replace(text, "{script: d"+ext+"}", "{script: e"+ext+"}", 1)
			}
			scripts := map[string]string{"d" + ext: fmt.Sprintf(text, 48), "e" + ext: fmt.Sprintf(text, 47)}
			c := containWith(t, dir, config("256MiB"), scripts, nil)
			const said = "sluice.yaml:9:50: budgets.total_memory: the top levels of the scripts hold 5.9 MiB, want half of it at most, which is 4.0 MiB"
			if err := os.WriteFile(filepath.Join(dir, "sluice.yaml"), []byte(config("8MiB")), 0o644); err != nil {
				t.Fatal(err)
			}
			c.until("the config is refused", func() bool { return strings.Contains(c.admin(t, "/v1/status"), said) })
			if err := os.WriteFile(filepath.Join(dir, "sluice.yaml"), []byte(config("16MiB")), 0o644); err != nil {
				t.Fatal(err)
			}
			c.until("another counts", func() bool { return !strings.Contains(c.admin(t, "/v1/status"), said) })
		})
	}
}

// A config that drops a script which holds much, and lowers budgets.total_memory, counts at once; and so does the one before a config that was
// refused for what its scripts would hold. Calls find memory whatever is not collected yet.
func TestCallsHaveMemoryAfterScriptsThatHoldMuch(t *testing.T) {
	filters := map[string][2]string{
		".star": {"def filter(ctx, principal, candidates):\n    l = [\"k%%d\" %% (i + ctx.now_ms) for i in range(4000)]\n    return {\"deny\": \"no\"} if l else candidates\n",
			"T = [\"x\" * 65536 for i in range(640)]\ndef filter(ctx, principal, candidates):\n    return candidates\n"},
		".lua": {"function filter(ctx, principal, candidates)\n  local l = {}\n  for i = 1, 4000 do l[i] = \"k\" .. (i + ctx.now_ms) end\n  return {deny = \"no\"}\nend\n",
			"local T = {}\nfor i = 1, 640 do T[i] = string.rep(\"x\", 65536) end\nfunction filter(ctx, principal, candidates)\n  return candidates, T.none\nend\n"},
	}
	for ext, texts := range filters {
		t.Run(ext[1:], func(t *testing.T) {
			dir := t.TempDir()
			config := func(memory string, filters ...string) string {
				text := manyUpstreams(1, "d"+ext, fmt.Sprintf("budgets: {time: 10s, %s}\nfilters:\n", memory))
				for _, f := range filters {
					text += fmt.Sprintf("  - {name: %s, script: %s%s}\n", f, f, ext)
				}
				return text
			}
			small, large := "memory: 8MiB, total_memory: 16MiB", "memory: 64MiB, total_memory: 128MiB"
			c := containWith(t, dir, config(large, "f", "m"), map[string]string{"d" + ext: fmt.Sprintf(hoarding[ext], 1),
				"f" + ext: strings.ReplaceAll(texts[0], "%%", "%"), "m" + ext: texts[1], "n" + ext: texts[1]}, nil)
			edit := func(text, said string) {
				before := strings.Count(c.logged(), said)
				if err := os.WriteFile(filepath.Join(dir, "sluice.yaml"), []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
				c.until(said, func() bool {
					c.expect(c.send("alice"), "403 denied_by_filter")
					return strings.Count(c.logged(), said) > before
				})
				for range 20 {
					c.expect(c.send("alice"), "403 denied_by_filter")
				}
				if t.Failed() {
					t.Fatal(c.logged())
				}
			}
			edit(config(small, "f"), "sluice.yaml: live")
			edit(config(large, "f", "m", "n"), "sluice.yaml is refused")
			edit(config(small, "f"), "sluice.yaml")
		})
	}
}
