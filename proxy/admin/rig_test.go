package admin_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"sluice/engine"
	"sluice/engine/experiment"
	"sluice/engine/health"
	"sluice/engine/keys"
	"sluice/engine/ledger"
	"sluice/engine/promptcache"
	"sluice/engine/reload"
	"sluice/engine/signers"
	"sluice/proxy"
	"sluice/proxy/admin"
	"sluice/proxy/simulate"
	"sluice/runtimes"
	"sluice/runtimes/lua"
	"sluice/runtimes/starlark"
)

// patience bounds every wait of a test: passing it is a failure, never a measure.
const patience = 20 * time.Second

// Secrets that no answer may hold.
const (
	adminToken  = "planted-admin-token-wq41k"
	aliceKey    = "sk-sluice-planted-alice-zx77p"
	bobKey      = "sk-sluice-planted-bob"
	upstreamKey = "sk-ant-planted-upstream-vj90r"
)

// chooseScript keeps the upstream that the request names, and goes wrong on demand.
const chooseScript = `def filter(ctx, principal, candidates):
    want = ctx.headers.get("x-want", "a")
    if want == "nobody":
        return {"deny": "nobody is wanted"}
    if want == "error":
        return candidates[0].nmae
    if want == "forever":
        for i in range(1000000000):
            pass
    if want == "junk":
        return 1
    kept = [c for c in candidates if c.name == want]
    return {"keep": kept, "reason": "wants " + want, "reasons": {c.id: "unwanted" for c in candidates if c.name != want}}

def test_keeps_what_is_wanted(t):
    t.eq(len(filter(t.ctx(headers = {"x-want": "b"}), t.principal(), [t.candidate("a"), t.candidate("b")])["keep"]), 1)

def test_keeps_a(t):
    t.eq(len(filter(t.ctx(), t.principal(), [t.candidate("a"), t.candidate("b")])["keep"]), 1)
`

const auditScript = `function observe(event)
  if event.kind == "request_finished" then log(event.kind) end
end
`

// rig is a gateway with two simulated upstreams, a and b, a filter in Starlark and an observer in Lua, and its admin API.
type rig struct {
	t         *testing.T
	dir       string
	world     *engine.World
	loop      *reload.Loop
	server    *proxy.Server
	api       *admin.Server
	book      *ledger.Book
	sims      map[string]*simulate.Provider
	meters    engine.Meters
	standings engine.Standings
	crew      *engine.Crew
	tracker   *health.Tracker
	client    *http.Client
	started   time.Time

	// What tests turn.
	access   atomic.Pointer[admin.Access]
	draining atomic.Bool
	sick     atomic.Bool

	gateway, admin string // addresses
}

func newRig(t *testing.T) *rig {
	t.Helper()
	t.Parallel()
	r := &rig{t: t, dir: t.TempDir(), world: &engine.World{}, sims: map[string]*simulate.Provider{},
		crew: engine.NewCrew(), started: time.Now(), client: &http.Client{Transport: &http.Transport{}, Timeout: patience}}
	r.access.Store(&admin.Access{Token: adminToken})
	r.write("scripts/filters/choose.star", chooseScript)
	r.write("scripts/observers/audit.lua", auditScript)
	r.write("sluice.yaml", "fine\n")
	for _, name := range []string{"a", "b"} {
		p, err := simulate.Start(simulate.Options{Name: name, Key: upstreamKey})
		r.must(err)
		t.Cleanup(func() { p.Close() })
		r.sims[name] = p
	}
	r.tracker = health.NewTracker(nil)
	var err error
	r.book, err = ledger.Open(ledger.Options{Dir: filepath.Join(r.dir, "ledger"), Policy: func() ledger.Policy { return ledger.Policy{Keep: time.Hour, MaxSize: 1 << 30} }})
	r.must(err)
	t.Cleanup(func() { r.must(r.book.Close()) })
	r.loop, err = reload.Start(reload.Options{World: r.world, Config: filepath.Join(r.dir, "sluice.yaml"), Build: r.build})
	r.must(err)
	t.Cleanup(func() { r.loop.Close(); r.world.Close(); r.crew.Close() })
	r.serve()
	return r
}

// serve brings both listeners up until the end of the test.
func (r *rig) serve() {
	r.server = proxy.New(proxy.Options{World: r.world, Transport: proxy.NewTransport(4, time.Minute), Ledger: r.book, Notice: time.Millisecond})
	r.api = admin.New(admin.Options{World: r.world, Vitals: vitals{r}, Meters: &r.meters, Standings: &r.standings,
		Memory: func() (held, waiting int64) { return 5 << 20, 1 }, Book: r.book, Experiments: experiment.Open(nil, &r.meters, nil), Traffic: &r.server.Metrics,
		Caches: promptcache.New(),
		Loop:   r.loop, Access: r.access.Load, Draining: r.draining.Load})
	listen := func(serve func(net.Listener) error, stop func(context.Context) error) string {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		r.must(err)
		done := make(chan error, 1)
		go func() { done <- serve(ln) }()
		r.t.Cleanup(func() {
			ctx, cancel := context.WithTimeout(context.Background(), patience)
			defer cancel()
			r.client.CloseIdleConnections()
			if err := errors.Join(stop(ctx), <-done); err != nil {
				r.t.Error(err)
			}
		})
		return ln.Addr().String()
	}
	r.gateway = listen(r.server.Serve, r.server.Shutdown)
	r.admin = listen(r.api.Serve, r.api.Close)
}

// vitals are the tracker's, unless all upstreams are sick.
type vitals struct{ rig *rig }

func (v vitals) Vitals(u *engine.Upstream, now time.Time) *engine.Vitals {
	seen := *v.rig.tracker.Vitals(u, now)
	seen.Healthy = seen.Healthy && !v.rig.sick.Load()
	return &seen
}

func (v vitals) Failures(u *engine.Upstream) map[engine.FailureClass]int64 {
	return v.rig.tracker.Failures(u)
}

func (v vitals) CoolingModels(u *engine.Upstream, now time.Time) []engine.Cooling {
	return v.rig.tracker.CoolingModels(u, now)
}

// build makes a generation of the config and the scripts on disk. The config is one word: "fine" or a mistake.
func (r *rig) build(in *reload.Input) (*engine.Generation, error) {
	if word := string(bytes.TrimSpace(in.Config)); word != "fine" {
		return nil, fmt.Errorf("sluice.yaml:1:1: %q, want fine\nsluice.yaml:1:2: a second mistake", word)
	}
	snapshot, err := in.Snapshot(filepath.Join(r.dir, "scripts"))
	if err != nil {
		return nil, err
	}
	filter, err := r.admit(in, snapshot, engine.SlotFilter, "filters/choose.star")
	observer, err2 := r.admit(in, snapshot, engine.SlotObserver, "observers/audit.lua")
	if err := errors.Join(err, err2); err != nil {
		return nil, err
	}
	strategy, err := engine.NewStrategy("first-pick", 0)
	if err != nil {
		return nil, err
	}
	alice := &engine.Principal{ID: "alice", Name: "alice", Kind: engine.PrincipalAPIKey, Paths: []string{"/v1/*"}}
	bob := &engine.Principal{ID: "bob", Name: "bob", Kind: engine.PrincipalAPIKey, Paths: []string{"/v1/*"},
		Models: []string{"claude-haiku-*"}}
	g := &engine.Generation{Number: in.Number, Principals: []*engine.Principal{alice, bob}, Strategy: strategy,
		Vitals: r.tracker, Keys: keyring{keys.Sum(aliceKey): alice, keys.Sum(bobKey): bob},
		Filters: []*engine.FilterSlot{{Filter: filter.(engine.Filter), Script: "filters/choose.star",
			Meter: r.meters.For(engine.SlotFilter, engine.GlobalSlot("choose")), Guard: r.guard(in.Scripts, "filters/choose.star")}},
		Limits: engine.Limits{Body: 1 << 20, BodiesTotal: 8 << 20, Streams: 100}}
	for name, sim := range r.sims {
		u, err := r.upstream(name, sim)
		if err != nil {
			return nil, err
		}
		g.Upstreams = append(g.Upstreams, u)
	}
	slices.SortFunc(g.Upstreams, func(a, b *engine.UpstreamSlot) int { return bytes.Compare(a.ID[:], b.ID[:]) })
	g.Observers = engine.NewFeed([]*engine.ObserverSlot{{Observer: observer.(engine.Observer), Name: "audit", Script: "observers/audit.lua",
		Meter: r.meters.For(engine.SlotObserver, engine.GlobalSlot("audit"))}})
	g.OnClose(g.Observers.Close)
	return g, nil
}

// guard is what a script's calls run under.
func (r *rig) guard(tx *reload.Tx, script string) *engine.Guard {
	for _, v := range tx.Versions() {
		if v.Path == script {
			return &engine.Guard{Crew: r.crew, Standing: r.standings.For(script, v.SHA256), Budget: engine.Budget{Time: patience}}
		}
	}
	return nil
}

func (r *rig) upstream(name string, sim *simulate.Provider) (*engine.UpstreamSlot, error) {
	base, err := url.Parse(sim.URL())
	if err != nil {
		return nil, err
	}
	signer, err := signers.AnthropicKey(upstreamKey)
	if err != nil {
		return nil, err
	}
	u := &engine.Upstream{ID: uuid.NewSHA1(uuid.NameSpaceURL, []byte(name)), Name: name, Kind: engine.KindAnthropicDirect, BaseURL: base,
		Weight: 1, Labels: &engine.Object{}, Timeouts: engine.Timeouts{Connect: patience, ResponseHeader: patience, Idle: patience}}
	return &engine.UpstreamSlot{Upstream: u, Signers: signer,
		Dialect: &engine.DialectSlot{Dialect: engine.Passthrough{}, Meter: r.meters.For(engine.SlotDialect, engine.GlobalSlot(name))}}, nil
}

// admit makes the plugin of one script as it is on disk, or of its last good version.
func (r *rig) admit(in *reload.Input, snapshot *reload.Snapshot, slot engine.SlotKind, script string) (any, error) {
	languages := map[string]runtimes.Language{".star": starlark.New(), ".lua": lua.New()}
	version, err := in.Scripts.Resolve(snapshot, script, "", func(files fs.FS, _ *reload.Version) (reload.Admitted, error) {
		language := languages[path.Ext(script)]
		m := &engine.PluginManifest{Name: strings.TrimSuffix(path.Base(script), path.Ext(script)), Artifact: script, Files: files,
			Budget: engine.Budget{Time: patience, Steps: 100_000}}
		a := runtimes.Admission{Language: language, Files: files, Path: script, Budget: m.Budget,
			Bindings: []runtimes.Binding{{Slot: slot, Manifest: m}}}
		got := a.Admit()
		if len(got.Errors) > 0 {
			return reload.Admitted{}, got.Errors[0]
		}
		if slot == engine.SlotFilter {
			plugin, err := language.InstantiateFilter(m)
			return reload.Admitted{Tests: got.Tests, Plugins: plugin}, err
		}
		plugin, err := language.InstantiateObservability(m)
		return reload.Admitted{Tests: got.Tests, Plugins: plugin}, err
	})
	if err != nil {
		return nil, err
	}
	return version.Plugins, nil
}

type keyring map[keys.Hash]*engine.Principal

func (k keyring) Lookup(key string, _ time.Time) (engine.Grant, error) {
	if p := k[keys.Sum(key)]; p != nil {
		return engine.Grant{Principal: p}, nil
	}
	return engine.Grant{}, &engine.Refusal{Code: engine.CodeBadKey, Message: "the key is not known"}
}

func (r *rig) must(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

// write puts a file in place, at once.
func (r *rig) write(name, text string) {
	r.t.Helper()
	to := filepath.Join(r.dir, filepath.FromSlash(name))
	r.must(os.MkdirAll(filepath.Dir(to), 0o755))
	r.must(os.WriteFile(to+".new", []byte(text), 0o644))
	r.must(os.Rename(to+".new", to))
}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	body   string
}

// send asks one address. Headers are lines like "x-want: b".
func (r *rig) send(method, addr, target, body string, headers ...string) answer {
	r.t.Helper()
	req, err := http.NewRequest(method, "http://"+addr+target, strings.NewReader(body))
	r.must(err)
	for _, line := range headers {
		name, value, _ := strings.Cut(line, ": ")
		if req.Header.Add(name, value); name == "host" {
			req.Host = value
		}
	}
	resp, err := r.client.Do(req)
	r.must(err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	r.must(err)
	return answer{resp.StatusCode, resp.Header, string(text)}
}

// call asks the admin API with its token.
func (r *rig) call(method, target, body string) answer {
	r.t.Helper()
	return r.send(method, r.admin, target, body, "authorization: Bearer "+adminToken)
}

// get is the JSON that the admin API answers with 200.
func (r *rig) get(target string, into any) {
	r.t.Helper()
	got := r.call("GET", target, "")
	if got.status != 200 || got.header.Get("content-type") != "application/json" {
		r.t.Fatalf("GET %s: %d, %s: %s", target, got.status, got.header.Get("content-type"), got.body)
	}
	r.must(json.Unmarshal([]byte(got.body), into))
}

// ask sends the gateway one message, which must be answered with this status, and waits until it is on record.
func (r *rig) ask(status int, headers ...string) answer {
	r.t.Helper()
	if !slices.ContainsFunc(headers, func(line string) bool { return strings.HasPrefix(line, "x-sluice-key: ") }) {
		headers = append(headers, "x-api-key: "+aliceKey)
	}
	rows := func() int {
		all, err := r.book.Recent(ledger.Query{Limit: 1000})
		r.must(err)
		return len(all)
	}
	before := rows()
	body := `{"model":"claude-sonnet-4-5","max_tokens":16,"messages":[{"role":"user","content":"hi"}]}`
	got := r.send("POST", r.gateway, "/v1/messages", body,
		append(headers, "anthropic-version: 2023-06-01")...)
	if got.status != status {
		r.t.Fatalf("status %d, want %d: %s", got.status, status, got.body)
	}
	r.eventually("the request is on record", func() bool { return rows() > before })
	return got
}

func (r *rig) eventually(what string, is func() bool) {
	r.t.Helper()
	for late := time.Now().Add(patience); !is(); time.Sleep(time.Millisecond) {
		if time.Now().After(late) {
			r.t.Fatalf("not in %v: %s", patience, what)
		}
	}
}
