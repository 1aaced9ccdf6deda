//go:build !race

package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"sluice/engine/keys"
	"sluice/proxy/simulate"
)

// siegeBudget is budgets.memory of a call, the default.
const siegeBudget = 64 << 20

// siegeTime is how long an innocent principal waits for its answer, and budgets.time of the one script that it needs for it: what ends its
// request is an attack, and never that other tests keep the machine busy. The offender's calm requests have offenderTime for the same
// reason. Where times are measured no other tests run, and all have the default.
const (
	siegeTime    = 5 * time.Second
	offenderTime = time.Second
)

// siege is a gateway in a process of its own, with one script in each slot. The offender's requests meet them all, the innocent's only
// the router and the observer.
type siege struct {
	*testing.T
	ext            string
	scripts        string // directory
	process        *exec.Cmd
	log            lines
	gateway, admin string // URLs
	client         *http.Client
	hurried        *http.Client       // of the innocent: it waits for siegeTime
	provider       *simulate.Provider // of the offender

	mu      sync.Mutex
	serving string                   // the bomb that is in place; guarded by mu
	longest map[string]time.Duration // that the innocent waited, by the bomb that was in place then; guarded by mu
}

// calmScripts do nothing, one a slot.
var calmScripts = map[string]map[string]string{
	".star": {
		"filter":   "def filter(ctx, principal, candidates):\n    return candidates\n",
		"router":   "def route(ctx, principal, candidates):\n    return candidates[0]\n",
		"dialect":  "def shape(ctx, upstream, principal, request):\n    pass\n",
		"observer": "def observe(event):\n    pass\n",
	},
	".lua": {
		"filter":   "function filter(ctx, principal, candidates) return candidates end\n",
		"router":   "function route(ctx, principal, candidates) return candidates[1] end\n",
		"dialect":  "function shape(ctx, upstream, principal, request) end\n",
		"observer": "function observe(event) end\n",
	},
}

// fuses call a bomb's hook when the request says so. A status of 500 or a user agent says it to the hooks that see no request.
var fuses = map[string]map[string]string{
	".star": {
		"filter":             "def filter(ctx, principal, candidates):\n    return bomb(ctx, principal, candidates) if ctx.headers.get(\"x-bomb\") else candidates\n",
		"drop":               "def drop(ctx, principal, candidate):\n    return bomb(ctx, principal, candidate) if ctx.headers.get(\"x-bomb\") else None\n",
		"route":              "def route(ctx, principal, candidates):\n    return bomb(ctx, principal, candidates) if ctx.headers.get(\"x-bomb\") else candidates[0]\n",
		"shape":              "def shape(ctx, upstream, principal, request):\n    return bomb(ctx, upstream, principal, request) if ctx.headers.get(\"x-bomb\") else None\n",
		"normalize_error":    "def normalize_error(status, body, headers):\n    return bomb(status, body, headers) if status == 500 else None\n",
		"transform_response": "def transform_response(ctx, response):\n    return bomb(ctx, response) if ctx.headers.get(\"x-bomb\") else None\n",
		"transform_event":    "def transform_event(ctx, event, state):\n    return bomb(ctx, event, state) if ctx.headers.get(\"x-bomb\") else None\n",
		"observe":            "def observe(event):\n    return bomb(event) if event.kind == \"request_started\" and event.user_agent == \"bomb\" else None\n",
	},
	".lua": {
		"filter":             "function filter(ctx, principal, candidates)\n  if ctx.headers[\"x-bomb\"] then return bomb.filter(ctx, principal, candidates) end\n  return candidates\nend\n",
		"drop":               "function drop(ctx, principal, candidate)\n  if ctx.headers[\"x-bomb\"] then return bomb.drop(ctx, principal, candidate) end\nend\n",
		"route":              "function route(ctx, principal, candidates)\n  if ctx.headers[\"x-bomb\"] then return bomb.route(ctx, principal, candidates) end\n  return candidates[1]\nend\n",
		"shape":              "function shape(ctx, upstream, principal, request)\n  if ctx.headers[\"x-bomb\"] then return bomb.shape(ctx, upstream, principal, request) end\nend\n",
		"normalize_error":    "function normalize_error(status, body, headers)\n  if status == 500 then return bomb.normalize_error(status, body, headers) end\nend\n",
		"transform_response": "function transform_response(ctx, response)\n  if ctx.headers[\"x-bomb\"] then return bomb.transform_response(ctx, response) end\nend\n",
		"transform_event":    "function transform_event(ctx, event, state)\n  if ctx.headers[\"x-bomb\"] then return bomb.transform_event(ctx, event, state) end\nend\n",
		"observe":            "function observe(event)\n  if event.kind == \"request_started\" and event.user_agent == \"bomb\" then return bomb.observe(event) end\nend\n",
	},
}

// fuse is a script that is well until a request sets off the bomb in it.
func (g *siege) fuse(b bomb) string {
	if g.ext == ".star" {
		return fmt.Sprintf("load(%q, bomb=%q)\n\n", b.name+g.ext, b.hook) + fuses[g.ext][b.hook]
	}
	return fmt.Sprintf("local bomb = require(%q)\n\n", b.name) + fuses[g.ext][b.hook]
}

// besiege starts the gateway.
func besiege(t *testing.T, ext string) *siege {
	t.Helper()
	dir := t.TempDir()
	g := &siege{T: t, ext: ext, longest: make(map[string]time.Duration), scripts: filepath.Join(dir, "scripts"),
		client: &http.Client{Timeout: patience, Transport: &http.Transport{MaxIdleConnsPerHost: 8}}}
	g.hurried = &http.Client{Timeout: siegeTime, Transport: g.client.Transport}
	t.Cleanup(g.client.CloseIdleConnections)
	config, router := "", ""
	if !*hostileTimes {
		config, router = fmt.Sprintf("budgets: {time: %v}\n", offenderTime), fmt.Sprintf(", budgets: {time: %v}", siegeTime)
	}
	config += "listen: 127.0.0.1:0\nadmin: {listen: 127.0.0.1:0}\nscripts: ./scripts\ndata: ./data\nretry: {attempts: 1}\nupstreams:\n"
	for _, name := range []string{"plain", "bent"} {
		p, err := simulate.Start(simulate.Options{Name: name, Keep: -1})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { p.Close() })
		dialect := "none"
		if name == "bent" {
			dialect, g.provider = "{script: slots/dialect"+ext+", on_error: closed}", p
		}
		config += fmt.Sprintf("  - {name: %s, kind: anthropic_direct, base_url: %q, signer: {type: anthropic_key, key: k}, dialect: %s, breaker: {failures: 1000, within: 1s, open: 1s}}\n", name, p.URL(), dialect)
	}
	config += fmt.Sprintf("principals:\n  - {name: innocent, keys: [%q], upstreams: [plain], filters: []}\n", keys.Sum(containedKey("innocent"))) +
		fmt.Sprintf("  - {name: offender, keys: [%q], upstreams: [bent]}\n", keys.Sum(containedKey("offender"))) +
		fmt.Sprintf("filters: [{script: slots/filter%[1]s, on_error: closed}]\nrouter: {script: slots/router%[1]s%[2]s}\nobservers: [{script: slots/observer%[1]s}]\n", ext, router)
	for slot, text := range calmScripts[ext] {
		g.install("slots/"+slot+ext, text)
	}
	file := filepath.Join(dir, "sluice.yaml")
	if err := os.WriteFile(file, []byte(config), 0o644); err != nil {
		t.Fatal(err)
	}
	g.start(file)
	return g
}

// start runs sluice, which is the test binary, until the test ends, and wants it to end well then.
func (g *siege) start(config string) {
	g.Helper()
	path, err := exec.LookPath("sluice")
	if err != nil {
		g.Fatal(err)
	}
	g.process = exec.Command(path, "serve", "--config", config)
	g.process.Stdout, g.process.Stderr = &g.log, &g.log
	if err := g.process.Start(); err != nil {
		g.Fatal(err)
	}
	t, ended := g.T, make(chan error, 1)
	go func() { ended <- g.process.Wait() }()
	t.Cleanup(func() {
		_ = g.process.Process.Signal(syscall.SIGTERM)
		if err := <-ended; err != nil || strings.Contains(g.log.String(), "panic: ") || strings.Contains(g.log.String(), "DATA RACE") {
			t.Errorf("the gateway ended with %v:\n%s", err, g.log.String())
		}
	})
	for late := time.Now().Add(patience); !strings.Contains(g.log.String(), "ready\n"); time.Sleep(time.Millisecond) {
		if time.Now().After(late) {
			g.Fatalf("the gateway is not ready:\n%s", &g.log)
		}
	}
	text := g.log.String()
	g.gateway = regexp.MustCompile(`(?m)^gateway   (\S+)$`).FindStringSubmatch(text)[1]
	g.admin = regexp.MustCompile(`(?m)^admin     (\S+)$`).FindStringSubmatch(text)[1]
}

// install puts a file in place as an editor does.
func (g *siege) install(name, text string) {
	g.Helper()
	(&live{scripts: g.scripts}).write(g.T, name, text)
}

// put makes text the script of a slot, and the others calm, and waits until the gateway has seen it.
func (g *siege) put(slot, text string) {
	g.Helper()
	for name, calm := range calmScripts[g.ext] {
		if name == slot {
			calm = text
		}
		path := "slots/" + name + g.ext
		if old, err := os.ReadFile(filepath.Join(g.scripts, path)); err != nil || string(old) != calm {
			g.install(path, calm)
		}
	}
	resp, err := g.client.Post(g.admin+"/v1/reload", "", nil)
	if err != nil {
		g.Fatal(err)
	}
	defer resp.Body.Close()
	io.Copy(io.Discard, resp.Body)
}

// besieged is what the status tells of a slot's script.
type besieged struct {
	Path                   string
	LastError, LastFailure *struct {
		File, Message string
		Line          int
	}
	Failures, Abandoned int64
}

func (g *siege) status(slot string) (out besieged) {
	g.Helper()
	resp, err := g.client.Get(g.admin + "/v1/status")
	if err != nil {
		g.Fatal(err)
	}
	defer resp.Body.Close()
	var all struct {
		Scripts []struct {
			Path        string
			LastError   *json.RawMessage `json:"last_error"`
			LastFailure *json.RawMessage `json:"last_failure"`
			Errors      int64
			Overruns    int64
			Abandoned   int64
		}
	}
	if err := json.NewDecoder(resp.Body).Decode(&all); err != nil {
		g.Fatal(err)
	}
	for _, s := range all.Scripts {
		if s.Path == "slots/"+slot+g.ext {
			out = besieged{Path: s.Path, Failures: s.Errors + s.Overruns, Abandoned: s.Abandoned}
			for from, to := range map[*json.RawMessage]any{s.LastError: &out.LastError, s.LastFailure: &out.LastFailure} {
				if from != nil {
					if err := json.Unmarshal(*from, to); err != nil {
						g.Fatal(err)
					}
				}
			}
			return out
		}
	}
	g.Fatalf("the status has no %s", slot)
	return out
}

// send asks as the offender, such that the hook of a bomb is called, and sets it off or not.
func (g *siege) send(b bomb, off bool) string {
	g.Helper()
	if b.hook == "normalize_error" {
		if err := g.provider.Next("500"); err != nil {
			g.Fatal(err)
		}
	}
	var header []string
	if off {
		header = []string{"x-bomb: 1", "user-agent: bomb"}
	}
	got, err := g.ask(g.client, "offender", b.hook == "transform_event", header...)
	if err != nil {
		g.Fatal(err)
	}
	return got
}

// ask returns the status and x-sluice-error of an answer that came whole.
func (g *siege) ask(client *http.Client, who string, stream bool, header ...string) (string, error) {
	req, err := http.NewRequest("POST", g.gateway+"/v1/messages",
		strings.NewReader(fmt.Sprintf(`{"model":"claude-sonnet-4-5","max_tokens":16,"stream":%v,"messages":[{"role":"user","content":"hi"}]}`, stream)))
	if err != nil {
		return "", err
	}
	req.Header.Set("x-api-key", containedKey(who))
	req.Header.Set("anthropic-version", "2023-06-01")
	for _, line := range header {
		name, value, _ := strings.Cut(line, ": ")
		req.Header.Set(name, value)
	}
	resp, err := client.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return "", err
	}
	return strings.TrimSpace(fmt.Sprint(resp.StatusCode, " ", resp.Header.Get("x-sluice-error"))), nil
}

// others asks as the innocent all the time, for so long or until during has returned, and returns how long each answer took. None may fail.
func (g *siege) others(least time.Duration, during func()) (took []time.Duration) {
	t, over := g.T, make(chan struct{})
	var wait sync.WaitGroup
	wait.Go(func() {
		pace := time.NewTicker(5 * time.Millisecond)
		defer pace.Stop()
		for asked := false; ; asked = true {
			select {
			case <-over:
				if asked {
					return
				}
			case <-pace.C:
			}
			began := time.Now()
			if got, err := g.ask(g.hurried, "innocent", false); err != nil || got != "200" {
				t.Errorf("an innocent principal is answered %s, %v", got, err)
				return
			}
			took = append(took, g.waited(time.Since(began)))
		}
	})
	began := time.Now()
	during()
	time.Sleep(least - time.Since(began))
	close(over)
	wait.Wait()
	return took
}

// besideBusy asks as the innocent for so long beside a process of its own that keeps a processor busy, as any script may.
func (g *siege) besideBusy(long time.Duration) []time.Duration {
	g.Helper()
	busy := exec.Command("sh", "-c", "while :; do :; done")
	if err := busy.Start(); err != nil {
		g.Fatal(err)
	}
	defer busy.Wait()
	defer busy.Process.Kill()
	return g.others(long, func() {})
}

// serve says which bomb is put in place.
func (g *siege) serve(name string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.serving = name
}

// waited notes how long the innocent waited.
func (g *siege) waited(took time.Duration) time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.longest[g.serving] = max(g.longest[g.serving], took)
	return took
}

// worst tells of the bombs under which the innocent waited longest.
func (g *siege) worst() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return longest(g.longest)
}

// longest lists the bombs by name with which something took longest.
func longest(took map[string]time.Duration) string {
	names := slices.SortedFunc(maps.Keys(took), func(a, b string) int { return cmp.Compare(took[b], took[a]) })
	var out []string
	for _, name := range names[:min(8, len(names))] {
		out = append(out, fmt.Sprintf("%s %v", name, took[name].Round(100*time.Microsecond)))
	}
	return strings.Join(out, ", ")
}

// rest is the memory that the process has resident at this moment. From now on peak tells the most that it has.
func (g *siege) rest() int64 {
	_ = os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", g.process.Process.Pid), []byte("5"), 0)
	return g.resident("VmRSS:")
}

// peak is the most memory that the process has had resident since rest, in bytes; 0 where the system does not tell.
func (g *siege) peak() int64 { return g.resident("VmHWM:") }

func (g *siege) resident(which string) (bytes int64) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", g.process.Process.Pid))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(line, which); ok {
			fmt.Sscan(value, &bytes)
		}
	}
	return bytes << 10
}
