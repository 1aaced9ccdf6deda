package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"sluice/engine"
	"sluice/engine/keys"
	"sluice/engine/reload"
	"sluice/proxy/simulate"
	"sluice/runtimes"
)

// refusing is a filter that says no in these words, in both languages.
var refusing = map[string]string{
	".star": "def filter(ctx, principal, candidates):\n    return {\"deny\": %q}\n",
	".lua":  "function filter(ctx, principal, candidates)\n  return {deny = %q}\nend\n",
}

// restarts is a folder of a config, scripts and data that gateways serve from, one after the other.
type restarts struct {
	*contained
	dir, url string
}

func newRestarts(t *testing.T) *restarts {
	t.Helper()
	p, err := simulate.Start(simulate.Options{Name: "a", Keep: -1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	return &restarts{&contained{t: t, live: &live{}}, t.TempDir(), p.URL()}
}

// text is a config with an upstream and a principal alice, to each of which something is added.
func (r *restarts) text(upstream, principal, more string) string {
	return "listen: 127.0.0.1:0\nadmin: {listen: 127.0.0.1:0}\nscripts: ./scripts\ndata: ./data\n" +
		fmt.Sprintf("upstreams: [{name: a, kind: anthropic_direct, base_url: %q, signer: {type: anthropic_key, key: k}%s}]\n", r.url, upstream) +
		fmt.Sprintf("principals:\n  - {name: alice, keys: [%q]%s}\n", keys.Sum(containedKey("alice")), principal) + more
}

// serving is one gateway's time: it begins with a config and ends with what is done in it.
func (r *restarts) serving(what, config string, scripts map[string]string, during func()) {
	r.t.Helper()
	test := r.t
	test.Run(what, func(t *testing.T) {
		r.contained = containWith(t, r.dir, config, scripts, nil)
		during()
	})
	r.t = test
}

// file is the path of a file of the folder.
func (r *restarts) file(name string) string { return filepath.Join(r.dir, name) }

func (r *restarts) config(text string) {
	r.t.Helper()
	if err := os.WriteFile(r.file("sluice.yaml"), []byte(text), 0o644); err != nil {
		r.t.Fatal(err)
	}
}

// said waits for a line of the log, which may have come before.
func (r *restarts) said(line string) {
	r.t.Helper()
	r.until("the log says "+line, func() bool { return strings.Contains(r.logged(), line) })
}

// denial is what alice is told by a filter that says no.
func (r *restarts) denial(header string) string {
	r.t.Helper()
	name, value, _ := strings.Cut(header, ": ")
	req, err := http.NewRequest("POST", "http://"+r.listen[0].Addr().String()+"/v1/messages", strings.NewReader(plainQuestion))
	if err != nil {
		r.t.Fatal(err)
	}
	req.Header = http.Header{"Anthropic-Version": {"2023-06-01"}, "X-Api-Key": {containedKey("alice")}}
	req.Header.Set(name, value)
	resp, err := r.client.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	defer resp.Body.Close()
	var body struct{ Error struct{ Message string } }
	if err := json.NewDecoder(resp.Body).Decode(&body); err != nil {
		r.t.Fatal(err)
	}
	return body.Error.Message
}

// A script that has served is not replaced by the copy that was there at the start: not when the config drops it, and names it again when it
// is broken.
func TestTheCopyOfTheStartDoesNotComeBack(t *testing.T) {
	t.Parallel()
	for ext, text := range refusing {
		t.Run(ext[1:], func(t *testing.T) {
			t.Parallel()
			r := newRestarts(t)
			named, dropped := r.text("", "", "filters: [{script: f"+ext+"}]\n"), r.text("", "", "filters: []\n")
			r.serving("version one", named, map[string]string{"f" + ext: fmt.Sprintf(text, "one")}, func() {})
			r.serving("version two", named, nil, func() {
				one := r.script().Version
				r.write(r.t, "f"+ext, fmt.Sprintf(text, "two"))
				r.until("version two serves", func() bool { return r.script().Version != one })
				r.config(dropped)
				r.until("it is dropped", func() bool { return r.send("alice") == "200" })
				r.write(r.t, "f"+ext, "(")
				r.config(named)
				r.said("sluice.yaml is refused, the config before stays in force: f" + ext)
				r.expect(r.send("alice"), "200")
			})
		})
	}
}

// The copies of scripts are there at the next start whatever one of them could not read, and that one reads it no better.
func TestACopyOfAScriptThatGoesOnWithoutALibrary(t *testing.T) {
	t.Parallel()
	const goesOn = "local ok, why = pcall(require, \"lib.\" .. \"more\")\n" +
		"function filter(ctx, principal, candidates)\n  if ctx.headers[\"x-why\"] then return {deny = tostring(why)} end\n  return candidates\nend\n"
	for ext, text := range refusing {
		t.Run(ext[1:], func(t *testing.T) {
			t.Parallel()
			r := newRestarts(t)
			config := r.text("", "", "filters: [{script: goes_on.lua}, {script: f"+ext+"}]\n")
			files := map[string]string{"goes_on.lua": goesOn, "f" + ext: fmt.Sprintf(text, "good"), "lib/more.lua": strings.Repeat("-", reload.MaxScript+1)}
			var why string
			r.serving("the files", config, files, func() {
				if why = r.denial("x-why: 1"); !strings.Contains(why, "lib/more.lua: the file is too large") {
					t.Errorf("the library is read: %s", why)
				}
			})
			r.serving("the copies", config, map[string]string{"goes_on.lua": "(", "f" + ext: "("}, func() {
				r.said("RUNNING THE LAST GOOD COPY of goes_on.lua from the data directory")
				r.said("RUNNING THE LAST GOOD COPY of f" + ext + " from the data directory")
				r.expect(r.denial("x-why: 1"), why)
				r.expect(r.denial("x-other: 1"), "good")
			})
		})
	}
}

// The dialect that an upstream has by its kind serves on as one that the config names, whatever becomes of its file, and so does its copy after
// a restart; "dialect: none" ends that.
func TestADefaultDialectServesOnWithoutItsFile(t *testing.T) {
	t.Parallel()
	const path = "dialects/anthropic.star"
	const dialect = "def shape(ctx, upstream, principal, request):\n    if ctx.headers.get(\"x-no\"):\n        fail(\"no\")\n"
	r := newRestarts(t)
	shapes := func() {
		t.Helper()
		r.expect(r.send("alice", "x-no: 1"), "502 dialect_failed")
		r.expect(r.send("alice"), "200")
	}
	broken := func(is bool) func() bool {
		return func() bool { return strings.Contains(r.admin(t, "/v1/status"), `"last_error": {`) == is }
	}
	config := r.text("", "", "")
	r.serving("the file", config, map[string]string{path: dialect}, func() {
		shapes()
		for what, breakIt := range map[string]func() error{
			"too large": func() error { return os.WriteFile(r.file("scripts/"+path), make([]byte, reload.MaxScript+1), 0o644) },
			"deleted":   func() error { return os.Remove(r.file("scripts/" + path)) },
			"a folder": func() error {
				return errors.Join(os.Remove(r.file("scripts/"+path)), os.Mkdir(r.file("scripts/"+path), 0o755))
			},
			"its folder is gone": func() error { return os.RemoveAll(r.file("scripts/dialects")) },
		} {
			if err := breakIt(); err != nil {
				t.Fatal(err)
			}
			r.until(what+" is told", broken(true))
			shapes()
			os.Remove(r.file("scripts/" + path)) // a folder, where it is one
			r.write(t, path, dialect)
			r.until("it is mended", broken(false))
			shapes()
		}
		if err := os.Remove(r.file("scripts/" + path)); err != nil {
			t.Fatal(err)
		}
		r.said(path + ": no such file below the scripts root; version")
	})
	r.serving("the copy", config, nil, func() {
		r.said("RUNNING THE LAST GOOD COPY of " + path)
		shapes()
		r.config(r.text(", dialect: none", "", ""))
		r.until("it is switched off", func() bool { return r.send("alice", "x-no: 1") == "200" })
	})
	r.serving("without", config, nil, func() { r.expect(r.send("alice", "x-no: 1"), "200") })
}

// loadsCounted is a language that counts how often a script is loaded: once to be tried, and twice more for its tests.
type loadsCounted struct {
	runtimes.Language
	loads *atomic.Int32
}

func (l loadsCounted) Load(files fs.FS, path string, config *engine.Object, b engine.Budget) (runtimes.Module, error) {
	l.loads.Add(1)
	return l.Language.Load(files, path, config, b)
}

// A config that lowers budgets has the tests of its scripts run with them, and is refused as it would be at the start. One that changes
// something else has not.
func TestOtherBudgetsHaveTestsRunAgain(t *testing.T) {
	t.Parallel()
	tests := map[string]string{
		".star": "def test_heavy(t):\n    n = 0\n    for i in range(300000):\n        n += 1\n    t.eq(n, 300000)\n",
		".lua":  "function test_heavy(t)\n  local n = 0\n  for i = 1, 300000 do n = n + 1 end\n  t:eq(n, 300000)\nend\n",
	}
	for ext, text := range refusing {
		t.Run(ext[1:], func(t *testing.T) {
			t.Parallel()
			r := newRestarts(t)
			config := func(principal string, steps int) string {
				return r.text("", principal, fmt.Sprintf("filters: [{script: f%s}]\nbudgets: {time: 10s, memory: 256MiB, steps: %d}\n", ext, steps))
			}
			var loads atomic.Int32
			r.contained = containWith(t, r.dir, config("", 10_000_000), map[string]string{"f" + ext: fmt.Sprintf(text, "no") + tests[ext]},
				func(languages map[string]runtimes.Language) { languages[ext] = loadsCounted{languages[ext], &loads} })
			r.config(config("", 10_000))
			r.said("sluice.yaml is refused, the config before stays in force: f" + ext + ":")
			if log := r.logged(); !strings.Contains(log, "test_heavy: ") || !strings.Contains(log, "budgets.steps: 100000") {
				t.Errorf("the log:\n%s", log)
			}
			r.expect(r.send("alice"), "403 denied_by_filter")
			before := loads.Load()
			r.config(config(", claims: {team: x}", 10_000_000))
			r.said("sluice.yaml: live")
			r.expect(r.send("alice"), "403 denied_by_filter")
			if n := loads.Load() - before; n != 1 {
				t.Errorf("the script was loaded %d times for other claims, want 1, to be tried", n)
			}
		})
	}
}

// While a config with other budgets is refused for one script, an edit of a second has the tests of a third run no more: they have passed with these.
func TestARefusedConfigHasTestsRunOnce(t *testing.T) {
	t.Parallel()
	tests := map[string]string{
		".star": "def test_deny(t):\n    t.eq(1, 1)\n",
		".lua":  "function test_deny(t)\n  t:eq(1, 1)\nend\n",
	}
	for ext, text := range refusing {
		t.Run(ext[1:], func(t *testing.T) {
			t.Parallel()
			r := newRestarts(t)
			config := func(more string, steps int) string {
				return r.text("", "", fmt.Sprintf("filters: [{script: f%s}, {script: g%s}%s]\nbudgets: {time: 10s, memory: 256MiB, steps: %d}\n", ext, ext, more, steps))
			}
			var loads atomic.Int32
			r.contained = containWith(t, r.dir, config("", 10_000_000), map[string]string{"f" + ext: fmt.Sprintf(text, "no") + tests[ext],
				"g" + ext: fmt.Sprintf(text, "yes"), "bad" + ext: "("},
				func(languages map[string]runtimes.Language) { languages[ext] = loadsCounted{languages[ext], &loads} })
			r.config(config(", {script: bad"+ext+"}", 10_000_001))
			r.said("sluice.yaml is refused, the config before stays in force: bad" + ext + ":")
			before := loads.Load()
			r.write(t, "g"+ext, fmt.Sprintf(text, "edited"))
			r.said("g" + ext + ": version")
			if n := loads.Load() - before; n > 3 {
				t.Errorf("scripts were loaded %d times, want 3: each of two to be tried, and the edited one as well with the budgets that serve", n)
			}
		})
	}
}

// A restart takes what served, also a script in more places than there is time to probe at a start that does not know it.
func TestARestartTakesAScriptWhoseProbesTakeLong(t *testing.T) {
	slow := map[string]string{
		".star": "def filter(ctx, principal, candidates):\n    for i in range(500000):\n        pass\n    return {\"deny\": \"no\"}\n",
		".lua":  "function filter(ctx, principal, candidates)\n  for i = 1, 1000000 do end\n  return {deny = \"no\"}\nend\n",
	}
	for ext, text := range slow {
		t.Run(ext[1:], func(t *testing.T) {
			r := newRestarts(t)
			config := func(more int) string {
				own := fmt.Sprintf(", filters: [{script: f%s}]", ext)
				all := r.text("", own, "")
				for i := range more {
					all += fmt.Sprintf("  - {name: p%d, keys: [%q]%s}\n", i, keys.Sum(fmt.Sprint("key", i)), own)
				}
				return all + "budgets: {time: 10s, steps: 100000000, memory: 512MiB}\n"
			}
			r.serving("the edit", config(0), map[string]string{"f" + ext: text}, func() {
				r.config(config(150))
				r.said("sluice.yaml: live")
			})
			r.serving("the restart", config(150), nil, func() { r.expect(r.send("alice"), "403 denied_by_filter") })
		})
	}
}

// With the same config, as far as scripts see it, a restart finds each of them as it served: the file that says so stays as it is.
func TestARestartKnowsWhatServedByItsBindings(t *testing.T) {
	t.Parallel()
	for ext, text := range refusing {
		t.Run(ext[1:], func(t *testing.T) {
			t.Parallel()
			r := newRestarts(t)
			config := func(team, unseen, more string) string {
				own := fmt.Sprintf(", claims: {team: %s, b: 1, c: 2}, upstreams: [a], models: [\"*\"], filters: [{script: f%s, config: {x: 1, y: [2]}}]", team, ext)
				return r.text(", labels: {x: y, z: 1}, models: {m: n, o: p}"+unseen, own, "observers: [{script: o"+ext+"}]\n"+more)
			}
			scripts := map[string]string{"f" + ext: fmt.Sprintf(text, "no"), "o" + ext: map[string]string{
				".star": "def observe(event):\n    pass\n", ".lua": "function observe(event) end\n"}[ext]}
			var saved [4]string
			for i, config := range []string{config("one", "", ""), config("one", "", ""),
				config("one", ", concurrency: 7, queue: {max: 3, wait: 1s}, breaker: {failures: 9}", "timeouts: {idle: 77s}\n"), config("two", "", "")} {
				r.serving(fmt.Sprint("start ", i), config, scripts, func() {})
				text, err := os.ReadFile(r.file("data/scripts.json"))
				if err != nil {
					t.Fatal(err)
				}
				saved[i] = string(text)
			}
			if saved[1] != saved[0] || saved[2] != saved[0] {
				t.Errorf("after restarts scripts.json is %s, then %s, want %s", saved[1], saved[2], saved[0])
			}
			if saved[3] == saved[0] {
				t.Error("other claims leave scripts.json as it was")
			}
		})
	}
}

// A script may make its tests' config of its own: with another config its tests run again, and an edit that has them fail is refused, as a
// restart would refuse it.
func TestAnotherConfigHasTestsRunAgain(t *testing.T) {
	for ext, text := range map[string]string{
		".star": "test_config = {\"n\": config.get(\"n\", 0)}\ndef filter(ctx, principal, candidates):\n    return {\"deny\": \"no\"}\n" +
			"def test_small(t):\n    t.ok(config[\"n\"] < 5)\n",
		".lua": "test_config = {n = config.n or 0}\nfunction filter(ctx, principal, candidates)\n  return {deny = \"no\"}\nend\n" +
			"function test_small(t)\n  t:ok(config.n < 5)\nend\n",
	} {
		t.Run(ext[1:], func(t *testing.T) {
			t.Parallel()
			r := newRestarts(t)
			config := func(n int) string {
				return r.text("", "", fmt.Sprintf("filters: [{script: f%s, config: {n: %d}}]\n", ext, n))
			}
			r.serving("the edit", config(1), map[string]string{"f" + ext: text}, func() {
				r.config(config(9))
				r.said("test_small")
				r.config(config(2))
				r.said("sluice.yaml: live")
			})
		})
	}
}
