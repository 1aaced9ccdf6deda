package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"sluice/engine"
	"sluice/engine/keys"
	"sluice/proxy/simulate"
	"sluice/runtimes"
)

// contained is a gateway whose config is a test's own, before one simulated upstream named a.
type contained struct {
	*live
	t   *testing.T
	log lines
}

// lines is a log that can be read while it is written.
type lines struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// containedKey is the key of a principal.
func containedKey(principal string) string { return "sk-sluice-" + principal + "-key" }

// contain serves scripts, by their paths, with a config that follows that of the principals alice, bob and carol and upstream a, which
// upstream adds to.
func contain(t *testing.T, config string, scripts map[string]string, languages func(map[string]runtimes.Language), upstream ...string) *contained {
	t.Helper()
	p, err := simulate.Start(simulate.Options{Name: "a", Keep: -1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	return containBefore(t, p.URL(), config, scripts, languages, upstream...)
}

// containBefore is contain before an upstream of the test's own.
func containBefore(t *testing.T, url, config string, scripts map[string]string, languages func(map[string]runtimes.Language), upstream ...string) *contained {
	t.Helper()
	text := "listen: 127.0.0.1:0\nadmin: {listen: 127.0.0.1:0}\nscripts: ./scripts\ndata: ./data\n" +
		fmt.Sprintf("upstreams: [{name: a, kind: anthropic_direct, base_url: %q, signer: {type: anthropic_key, key: k}%s}]\nprincipals:\n", url, strings.Join(upstream, ""))
	for _, who := range []string{"alice", "bob", "carol"} {
		text += fmt.Sprintf("  - {name: %s, keys: [%q]}\n", who, keys.Sum(containedKey(who)))
	}
	return containWith(t, t.TempDir(), text+config, scripts, languages)
}

// containWith serves scripts with a config, both below dir.
func containWith(t *testing.T, dir, config string, scripts map[string]string, languages func(map[string]runtimes.Language)) *contained {
	t.Helper()
	c := &contained{t: t, live: &live{scripts: filepath.Join(dir, "scripts"), client: &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{}}}}
	for name, text := range scripts {
		c.write(t, name, text)
	}
	file := filepath.Join(dir, "sluice.yaml")
	if err := os.WriteFile(file, []byte(config), 0o644); err != nil {
		t.Fatal(err)
	}
	b := newBuilder(file)
	if languages != nil {
		languages(b.languages)
	}
	c.serve(t, b, &c.log)
	return c
}

// logged is the log when all is written that was said so far.
func (c *contained) logged() string {
	all := make(closing)
	c.out.say(all, ".")
	<-all
	return c.log.String()
}

// closing is closed by what is written to it.
type closing chan struct{}

func (c closing) Write(p []byte) (int, error) {
	close(c)
	return len(p), nil
}

// send asks for a principal, with a header line more where one is given, and returns the status and x-sluice-error.
func (c *contained) send(who string, header ...string) string {
	c.t.Helper()
	req, err := http.NewRequest("POST", "http://"+c.listen[0].Addr().String()+"/v1/messages",
		strings.NewReader(`{"model":"claude-sonnet-4-5","max_tokens":16,"messages":[{"role":"user","content":"hi"}]}`))
	if err != nil {
		c.t.Fatal(err)
	}
	req.Header.Set("x-api-key", containedKey(who))
	req.Header.Set("anthropic-version", "2023-06-01")
	for _, line := range header {
		name, value, _ := strings.Cut(line, ": ")
		req.Header.Set(name, value)
	}
	resp, err := c.client.Do(req)
	if err != nil {
		c.t.Fatal(err)
	}
	defer resp.Body.Close()
	io.Copy(io.Discard, resp.Body)
	return strings.TrimSpace(fmt.Sprint(resp.StatusCode, " ", resp.Header.Get("x-sluice-error")))
}

// script is the status of the one script there is.
func (c *contained) script() (s struct {
	Aside []struct {
		Principal, Until *string
		Why              string
	}
	Overruns, Abandoned, Stuck int64
	Path                       string
	Version                    string                    `json:"version_live"`
	LastError                  *struct{ Message string } `json:"last_error"`
}) {
	c.t.Helper()
	resp, err := c.client.Get("http://" + c.listen[1].Addr().String() + "/v1/status")
	if err != nil {
		c.t.Fatal(err)
	}
	defer resp.Body.Close()
	all := struct{ Scripts []json.RawMessage }{}
	if err := json.NewDecoder(resp.Body).Decode(&all); err != nil {
		c.t.Fatal(err)
	}
	if err := json.Unmarshal(all.Scripts[0], &s); err != nil {
		c.t.Fatal(err)
	}
	return s
}

func (c *contained) expect(got, want string) {
	c.t.Helper()
	if got != want {
		c.t.Errorf("answered %s, want %s", got, want)
	}
}

// loops are scripts whose every hook overruns its steps when the request, or its body, says so.
var loops = map[string]string{
	".star": `def spin(on):
    for i in range(1000000000 if on else 0):
        pass

def filter(ctx, principal, candidates):
    spin(ctx.headers.get("x-spin") == "filter")
    return candidates

def route(ctx, principal, candidates):
    spin(ctx.headers.get("x-spin") == "route")
    return candidates[0]

def shape(ctx, upstream, principal, request):
    spin(ctx.headers.get("x-spin") == "shape")
`,
	".lua": `local function spin(on)
  while on do end
end

function filter(ctx, principal, candidates)
  spin(ctx.headers["x-spin"] == "filter")
  return candidates
end

function route(ctx, principal, candidates)
  spin(ctx.headers["x-spin"] == "route")
  return candidates[1]
end

function shape(ctx, upstream, principal, request)
  spin(ctx.headers["x-spin"] == "shape")
end
`,
}

func TestAScriptPutAsideFailsByItsHooksRuleAndOthersGoOn(t *testing.T) {
	t.Parallel()
	for _, ext := range []string{".star", ".lua"} {
		for _, hook := range []struct{ name, config, upstream, over, aside string }{
			{"filter", "filters: [{script: all%s}]\n", "", "200", "200"},
			{"filter", "filters: [{script: all%s, on_error: closed}]\n", "", "503 filter_failed", "503 filter_failed"},
			{"route", "router: {script: all%s}\n", "", "502 router_failed", "502 router_failed"},
			{"shape", "", ", dialect: all%s", "502 dialect_failed", "502 dialect_failed"},
		} {
			t.Run(ext+" "+hook.name+" "+hook.over, func(t *testing.T) {
				config := "budgets: {time: 10s, steps: 100000}\n" + hook.config // steps end it, five times within 10 s, however busy the machine is
				c := contain(t, strings.ReplaceAll(config, "%s", ext), map[string]string{"all" + ext: loops[ext]}, nil,
					strings.ReplaceAll(hook.upstream, "%s", ext))
				c.expect(c.send("alice"), "200")
				for range 5 {
					c.expect(c.send("alice", "x-spin: "+hook.name), hook.over)
				}
				if s := c.script(); len(s.Aside) != 1 || s.Aside[0].Principal == nil || *s.Aside[0].Principal != "alice" || s.Overruns != 5 {
					t.Fatalf("status %+v\n%s", s, &c.log)
				}
				c.expect(c.send("alice"), hook.aside)
				if s := c.script(); s.Overruns != 5 {
					t.Errorf("the script ran though it was put aside: %+v", s)
				}
				c.expect(c.send("bob"), "200")
				if got := strings.Count(c.logged(), "put aside"); got != 1 {
					t.Errorf("the log tells %d times that the script is put aside:\n%s", got, c.logged())
				}
				c.write(t, "all"+ext, loops[ext]+"\n")
				c.until("an edit brings it back", func() bool { return len(c.script().Aside) == 0 })
				c.expect(c.send("alice"), "200")
			})
		}
	}
}

func (c *contained) until(what string, is func() bool) {
	c.t.Helper()
	for late := time.Now().Add(time.Minute); !is(); time.Sleep(time.Millisecond) {
		if time.Now().After(late) {
			c.t.Fatalf("not in a minute: %s", what)
		}
	}
}

func TestOverrunsFromThreePrincipalsPutAScriptAsideForAll(t *testing.T) {
	t.Parallel()
	for _, ext := range []string{".star", ".lua"} {
		t.Run(ext, func(t *testing.T) {
			// Steps end the calls, five times within 10 s, however busy the machine is.
			c := contain(t, "budgets: {time: 10s, steps: 100000}\nfilters: [{script: all"+ext+", on_error: closed}]\n", map[string]string{"all" + ext: loops[ext]}, nil)
			for _, who := range []string{"alice", "bob", "carol", "alice", "bob"} {
				c.expect(c.send(who, "x-spin: filter"), "503 filter_failed")
			}
			if s := c.script(); len(s.Aside) != 1 || s.Aside[0].Principal != nil || s.Aside[0].Until == nil {
				t.Errorf("status %+v", s)
			}
			for _, who := range []string{"alice", "bob", "carol"} {
				c.expect(c.send(who), "503 filter_failed")
			}
		})
	}
}

func TestAShapedBodyIsNoLargerThanAClientsMayBe(t *testing.T) {
	t.Parallel()
	for ext, shape := range map[string]string{
		".star": "def shape(ctx, upstream, principal, request):\n    if ctx.headers.get(\"x-spin\"):\n        request.body.set(\"system\", \"x\" * 2000)\n",
		".lua":  "function shape(ctx, upstream, principal, request)\n  if ctx.headers[\"x-spin\"] then\n    request.body:set(\"system\", string.rep(\"x\", 2000))\n  end\nend\n",
	} {
		t.Run(ext, func(t *testing.T) {
			c := contain(t, "limits: {body: 2000}\n", map[string]string{"big" + ext: shape}, nil, ", dialect: big"+ext)
			c.expect(c.send("alice"), "200")
			c.expect(c.send("alice", "x-spin: 1"), "502 dialect_failed")
			if got := c.logged(); !strings.Contains(got, "big"+ext+":3") || !strings.Contains(got, "set: body of 21") ||
				!strings.Contains(got, "bytes, want at most limits.body: 2000") {
				t.Errorf("the log:\n%s", got)
			}
		})
	}
}

// sticky is a language whose filters can get stuck beyond any budget, as a native function that never returns would.
type sticky struct {
	runtimes.Language
	release chan struct{}
}

func (s sticky) InstantiateFilter(m *engine.PluginManifest) (engine.Filter, error) {
	f, err := s.Language.InstantiateFilter(m)
	return stuckFilter{f, s.release}, err
}

type plugin = engine.Filter

type stuckFilter struct {
	plugin
	release chan struct{}
}

func (f stuckFilter) Filter(ctx *engine.RequestContext, p *engine.Principal, c []engine.UpstreamCandidate) (engine.FilterOutput, error) {
	if ctx.Headers.Get("x-spin") == "forever" {
		<-f.release
	}
	return f.plugin.Filter(ctx, p, c)
}

func TestACallThatCannotBeStoppedIsAbandonedAndTheGatewayGoesOn(t *testing.T) {
	t.Parallel()
	for _, ext := range []string{".star", ".lua"} {
		t.Run(ext, func(t *testing.T) {
			release := make(chan struct{})
			t.Cleanup(func() { close(release) }) // after the gateway ended: it does not wait for the call
			c := contain(t, "filters: [{script: all"+ext+", on_error: closed}]\n", map[string]string{"all" + ext: loops[ext]},
				func(languages map[string]runtimes.Language) {
					languages[ext] = sticky{languages[ext], release}
				})
			c.expect(c.send("alice", "x-spin: forever"), "503 filter_failed")
			c.until("the script is given up", func() bool { return c.script().Abandoned == 1 })
			c.expect(c.send("bob"), "503 filter_failed")
			s := c.script()
			if len(s.Aside) != 1 || s.Aside[0].Principal != nil || s.Aside[0].Until != nil || s.Abandoned != 1 || s.Stuck != 1 {
				t.Errorf("status %+v", s)
			}
			given := func() int {
				return strings.Count(c.logged(), "put aside for all principals until it is edited: a call could not be stopped")
			}
			c.until("the log tells of it", func() bool { return given() > 0 })
			if given() != 1 {
				t.Errorf("the log:\n%s", &c.log)
			}
			c.write(t, "all"+ext, loops[ext]+"\n")
			c.until("an edit brings it back", func() bool { return len(c.script().Aside) == 0 })
			c.expect(c.send("bob"), "200")
			if s := c.script(); s.Abandoned != 1 || s.Stuck != 1 {
				t.Errorf("status after the edit %+v", s)
			}
			c.write(t, "all"+ext, loops[ext])
			c.until("going back does not start it again", func() bool { return len(c.script().Aside) == 1 })
			c.expect(c.send("bob"), "503 filter_failed")
		})
	}
}

// An event that goes out as it came takes its comments with it.
func TestAReceivedEventCountsByAllOfItsLines(t *testing.T) {
	t.Parallel()
	comment := ": " + strings.Repeat("c", 900_000) + "\n"
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("content-type", "text/event-stream")
		fmt.Fprint(w, comment+"event: ping\ndata: {}\n\n")
	}))
	t.Cleanup(upstream.Close)
	for ext, text := range map[string]string{
		".star": "def transform_event(ctx, event):\n    return [event] * 3 if event.name != \"$end\" else None\n",
		".lua":  "function transform_event(ctx, event)\n  if event.name ~= \"$end\" then return {event, event, event} end\nend\n",
	} {
		t.Run(ext, func(t *testing.T) {
			c := containBefore(t, upstream.URL, "", map[string]string{"more" + ext: text}, nil, ", dialect: more"+ext)
			c.expect(c.send("alice"), "200")
			if got := c.logged(); !strings.Contains(got, "transform_event returned more than 2 MiB of data") {
				t.Errorf("the log:\n%s", got)
			}
		})
	}
}
