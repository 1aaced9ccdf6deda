package config_test

import (
	"fmt"
	"io/fs"
	"maps"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"sluice/engine"
	"sluice/engine/config"
	"sluice/engine/keys"
)

const (
	hashA = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	hashB = "sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
)

// The least that a config must have, in pieces that tests replace one by one.
const (
	minUpstreams  = "upstreams: [{name: up, kind: anthropic_direct, signer: {type: forward}}]\n"
	minPrincipals = "principals: [{name: alice, keys: [\"" + hashA + "\"]}]\n"
	minimal       = minUpstreams + minPrincipals
)

// testEnv knows what the tests' files refer to.
var testEnv = config.Env{
	Var: func(name string) (string, bool) {
		v, ok := map[string]string{
			"ANTHROPIC_API_KEY":  "planted-key-1",
			"SLUICE_ADMIN_TOKEN": "planted-token-2",
			"SLUICE_DATA_KEY":    "planted-data-key-8",
			"FIVE":               "5",
			"YES":                "true",
			"EMPTY":              "",
			"TRICKY":             "${FIVE}: [x",
			"TYPO":               "planted-typo-3",
			"JSON":               `{"private_key":"planted-private"}`,
			"PEM":                "-----BEGIN PRIVATE KEY-----\nplanted-private",
			"UP":                 "planted-up-4",
			"NONE":               "none",
			"TWO_LINES":          "planted\nlines",
		}[name]
		return v, ok
	},
	Vars: func() []string {
		return []string{"_=/usr/bin/go", "SLUICE_ADMIN_TOKEN=planted-token-2", "TRICKY=${FIVE}: [x"}
	},
	File: func(path string) ([]byte, error) {
		text, ok := map[string]string{
			"/run/secret":  "planted-file-5\n",
			"/run/windows": "planted-file-6\r\n",
			"/run/lines":   "planted-file-7\n\n",
		}[path]
		if !ok {
			return nil, &fs.PathError{Op: "open", Path: path, Err: fs.ErrNotExist}
		}
		return []byte(text), nil
	},
}

func parse(t *testing.T, text string) *config.Config {
	t.Helper()
	c, err := config.Parse("sluice.yaml", []byte(text), testEnv)
	if err != nil {
		t.Fatalf("Parse: %v", err)
	}
	return c
}

func TestDefaultsAreThoseOfTheContract(t *testing.T) {
	t.Parallel()
	got := parse(t, minimal)
	want := &config.Config{
		Listen:  "127.0.0.1:8787",
		Admin:   config.Admin{Listen: "127.0.0.1:8788"},
		Scripts: "./scripts",
		Data:    "./data",
		Limits:  config.Limits{Body: 33554432, FilesBody: 104857600, BodiesTotal: 1073741824, Streams: 10000},
		Timeouts: engine.Timeouts{
			Connect: 5 * time.Second, ResponseHeader: 10 * time.Minute, Idle: 5 * time.Minute, ClientHeader: 10 * time.Second,
			ClientBody: time.Minute, ClientWrite: time.Minute, Drain: time.Minute,
		},
		Retry:    engine.Retry{Attempts: 3, Statuses: []int{429, 500, 502, 503, 504, 529}},
		Ledger:   config.Ledger{Keep: 720 * time.Hour, MaxSize: 10 << 30},
		Strategy: "first-pick",
		Affinity: config.Affinity{Subagents: "share", TTL: time.Hour},
		Upstreams: []config.Upstream{{
			Pos: config.Pos{Line: 1, Column: 13}, Name: "up", Kind: "anthropic_direct", BaseURL: "https://api.anthropic.com",
			ID:     uuid.NewSHA1(uuid.NameSpaceURL, []byte("sluice:upstream:up")),
			Signer: config.Signer{Pos: config.Pos{Line: 1, Column: 56}, Type: "forward"},
			Queue:  engine.Queue{Max: 100, Wait: 2 * time.Second},
			Labels: &engine.Object{}, Weight: 1, Breaker: engine.Breaker{Failures: 5, Within: 10 * time.Second, Open: 30 * time.Second},
		}},
		Principals: []config.Principal{{
			Name: "alice", Claims: &engine.Object{},
			Keys:  []config.Key{{Hash: hashOf(hashA)}},
			Paths: []string{"/v1/messages", "/v1/messages/count_tokens", "/v1/models*"},
		}},
		Budget: engine.Budget{
			Time: 50 * time.Millisecond, Steps: 2000000, Memory: 64 << 20,
			TimePerMiB: 400 * time.Millisecond, StepsPerMiB: 20000000, MemoryPerMiB: 32 << 20,
		},
		TotalMemory: 512 << 20,
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("Parse =\n%+v\nwant\n%+v", got, want)
	}
}

func TestTheExampleFileIsACompleteConfig(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile("../../sluice.yaml")
	if err != nil {
		t.Fatal(err)
	}
	c := parse(t, string(data))
	if len(c.Upstreams) != 2 || len(c.Principals) != 2 || len(c.Filters) != 2 || len(c.Observers) != 1 || len(c.Experiments) != 1 {
		t.Errorf("the example has %d upstreams, %d principals, %d filters, %d observers, %d experiments",
			len(c.Upstreams), len(c.Principals), len(c.Filters), len(c.Observers), len(c.Experiments))
	}
	defaults := parse(t, minimal)
	if c.Limits != defaults.Limits || c.Timeouts != defaults.Timeouts || c.Budget != defaults.Budget ||
		c.TotalMemory != defaults.TotalMemory || c.Listen != defaults.Listen {
		t.Error("the example's limits, timeouts, budgets or listener are not the defaults that it says they are")
	}
	if !slices.Equal(c.Principals[1].Paths, defaults.Principals[0].Paths) {
		t.Errorf("the example's paths are %q, not the default", c.Principals[1].Paths)
	}

	uncommented := regexp.MustCompile(`(?m)^#([a-z]| {4})`).ReplaceAll(data, []byte("$1"))
	c = parse(t, string(uncommented))
	up := c.Upstreams[1]
	if c.DataKey.Reveal() == "" || c.TLS == nil || c.Router == nil || c.Seed != 1 || up.CA == "" || !up.Insecure || up.Region == "" || up.Project == "" ||
		len(up.AllowOrigins) != 1 {
		t.Error("a setting that the example has as a comment was not read")
	}
}

func TestEverySettingArrivesWhereItBelongs(t *testing.T) {
	t.Parallel()
	c := parse(t, `
listen: "[::1]:443"
tls: {cert: c.pem, key: k.pem}
admin: {listen: ":9", token: "${SLUICE_ADMIN_TOKEN}", open_metrics: true}
scripts: s
data: d
limits: {body: 1KiB, files_body: 2KB, bodies_total: 3MB, streams: 4}
timeouts: {connect: 1s, response_header: 2s, idle: 3s, client_header: 4s, client_body: 5s, client_write: 1d1s, drain: 0s}
strategy: affinity
affinity: {subagents: split, ttl: 2h}
seed: 42
prices: p.yaml
budgets: {time: 1s, steps: 2, memory: 5KiB, per_mib: {time: 3s, steps: 4, memory: 6KiB}, total_memory: 1MiB}
upstreams:
  - name: a
    id: 6BA7B811-9dad-11d1-80b4-00c04fd430c8
    kind: custom
    base_url: http://proxy.internal:8080/anthropic/
    region: r
    project: 123
    signer: {type: bearer, token: t0ken}
    dialect: {script: d/x.lua, config: {a: 1}, on_error: closed, budgets: {steps: 9}}
    labels: {tier: gold}
    weight: 0
    priority: -1
    models: {m: own/m}
    allow_origins: ["http://b.internal", "https://c:1/"]
    ca: ca.pem
    insecure: true
principals:
  - name: p
    keys: [{hash: "`+hashB+`", name: laptop, expires: 2027-01-01, disabled: true, limits: [{kind: concurrency, max: 3}]}]
    disabled: true
    claims: {team: core}
    upstreams: [a]
    models: ["claude-*"]
    paths: ["*"]
    limits: [{kind: cost_usd, window: 1d, max: 12.5}, {kind: requests, window: 1m, max: 100}]
    filters: [{script: f/own.star, isolation: call}]
filters: [{name: first, script: f/x.star, on_error: closed, budgets: {time: 7s, memory: 7KiB, per_mib: {time: 8s, memory: 8KiB}}}]
router: {script: r/x.lua}
observers: [{script: o/x.lua, config: {b: [2]}}]
data_key: "${SLUICE_DATA_KEY}"
`)
	eq := func(what string, got, want any) {
		t.Helper()
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s = %+v, want %+v", what, got, want)
		}
	}
	eq("listen", c.Listen, "[::1]:443")
	eq("tls", []string{c.TLS.Cert, c.TLS.Key}, []string{"c.pem", "k.pem"})
	eq("admin", []any{c.Admin.Listen, c.Admin.Token.Reveal(), c.Admin.OpenMetrics}, []any{":9", "planted-token-2", true})
	eq("scripts and data", []string{c.Scripts, c.Data}, []string{"s", "d"})
	eq("data key", c.DataKey.Reveal(), "planted-data-key-8")
	eq("limits", c.Limits, config.Limits{Body: 1024, FilesBody: 2000, BodiesTotal: 3000000, Streams: 4})
	eq("timeouts", c.Timeouts, engine.Timeouts{
		Connect: time.Second, ResponseHeader: 2 * time.Second, Idle: 3 * time.Second, ClientHeader: 4 * time.Second,
		ClientBody: 5 * time.Second, ClientWrite: 24*time.Hour + time.Second,
	})
	eq("strategy and seed", []any{c.Strategy, c.Affinity, c.Seed}, []any{"affinity", config.Affinity{Subagents: "split", TTL: 2 * time.Hour}, uint64(42)})

	whole := engine.Budget{Time: time.Second, Steps: 2, Memory: 5 << 10, TimePerMiB: 3 * time.Second, StepsPerMiB: 4, MemoryPerMiB: 6 << 10}
	eq("budget", c.Budget, whole)
	eq("total memory", c.TotalMemory, int64(1<<20))
	a := map[string]any{"a": int64(1)}
	u := c.Upstreams[0]
	eq("dialect", *u.Dialect, config.Binding{
		Pos: config.Pos{Line: 22, Column: 23}, Name: "x", Script: "d/x.lua", Config: object(a), Policy: engine.FailClosed,
		Budget: engine.Budget{Time: time.Second, Steps: 9, Memory: 5 << 10,
			TimePerMiB: 3 * time.Second, StepsPerMiB: 4, MemoryPerMiB: 6 << 10},
	})
	u.Dialect = nil
	eq("token", u.Signer.Token.Reveal(), "t0ken")
	u.Signer = config.Signer{}
	eq("upstream", u, config.Upstream{
		Pos: config.Pos{Line: 15, Column: 5}, Name: "a", ID: uuid.MustParse("6ba7b811-9dad-11d1-80b4-00c04fd430c8"), Kind: "custom",
		BaseURL: "http://proxy.internal:8080/anthropic", Region: "r", Project: "123", Labels: object(map[string]any{"tier": "gold"}),
		Priority: -1, Queue: config.DefaultQueue(), Breaker: config.DefaultBreaker(), Models: map[string]string{"m": "own/m"}, AllowOrigins: []string{"http://b.internal", "https://c:1"},
		CA: "ca.pem", Insecure: true,
	})
	eq("principal", c.Principals[0], config.Principal{
		Name: "p", Disabled: true, Claims: object(map[string]any{"team": "core"}),
		Keys: []config.Key{{Hash: hashOf(hashB), Name: "laptop", Disabled: true,
			Expires: time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC), Limits: []config.Limit{{Pos: config.Pos{Line: 32, Column: 154}, Kind: "concurrency", Max: 3}}}},
		Upstreams: []string{"a"}, Models: []string{"claude-*"}, Paths: []string{"*"}, OwnFilters: true,
		Limits: []config.Limit{{Pos: config.Pos{Line: 38, Column: 14}, Kind: "cost_usd", Window: 24 * time.Hour, Max: 12_500_000},
			{Pos: config.Pos{Line: 38, Column: 55}, Kind: "requests", Window: time.Minute, Max: 100}},
		Filters: []config.Binding{{Pos: config.Pos{Line: 39, Column: 24}, Name: "own", Script: "f/own.star",
			Config: &engine.Object{}, Budget: whole, Fresh: true}},
	})
	eq("filters", c.Filters, []config.Binding{{
		Pos: config.Pos{Line: 40, Column: 33}, Name: "first", Script: "f/x.star", Config: &engine.Object{}, Policy: engine.FailClosed,
		Budget: engine.Budget{Time: 7 * time.Second, Steps: 2, Memory: 7 << 10,
			TimePerMiB: 8 * time.Second, StepsPerMiB: 4, MemoryPerMiB: 8 << 10},
	}})
	eq("router", *c.Router, config.Binding{
		Pos: config.Pos{Line: 41, Column: 18}, Name: "x", Script: "r/x.lua", Config: &engine.Object{}, Budget: whole})
	eq("observers", c.Observers, []config.Binding{{Pos: config.Pos{Line: 42, Column: 22}, Name: "x", Script: "o/x.lua",
		Config: object(map[string]any{"b": []any{int64(2)}}), Budget: whole}})
}

func TestFailoverIsSetAsWritten(t *testing.T) {
	t.Parallel()
	f := func(retry, keys string, wantRetry engine.Retry, want config.Upstream) {
		t.Helper()
		c := parse(t, "upstreams: [{name: up, kind: anthropic_direct, signer: {type: forward}"+keys+"}]\n"+minPrincipals+retry)
		u := c.Upstreams[0]
		got := config.Upstream{Concurrency: u.Concurrency, Queue: u.Queue, Breaker: u.Breaker}
		if !reflect.DeepEqual(got, want) || !reflect.DeepEqual(c.Retry, wantRetry) {
			t.Errorf("%s %s: %+v %+v, want %+v %+v", retry, keys, c.Retry, got, wantRetry, want)
		}
	}
	usual := []int{429, 500, 502, 503, 504, 529}
	f("retry: {attempts: 5}\n", ", concurrency: 7, queue: {max: 3, wait: 2s}", engine.Retry{Attempts: 5, Statuses: usual},
		config.Upstream{Concurrency: 7, Queue: engine.Queue{Max: 3, Wait: 2 * time.Second}, Breaker: config.DefaultBreaker()})
	f("retry: {statuses: [529]}\n", ", queue: {}, breaker: {failures: 2}", engine.Retry{Attempts: 3, Statuses: []int{529}},
		config.Upstream{Queue: engine.Queue{Max: 100, Wait: 5 * time.Second},
			Breaker: engine.Breaker{Failures: 2, Within: 10 * time.Second, Open: 30 * time.Second}})
	f("retry: {statuses: []}\n", ", breaker: {within: 1s, open: 1m}", engine.Retry{Attempts: 3, Statuses: []int{}},
		config.Upstream{Queue: config.DefaultQueue(), Breaker: engine.Breaker{Failures: 5, Within: time.Second, Open: time.Minute}})
}

func TestEveryKeyOfASignerArrivesWhereItBelongs(t *testing.T) {
	t.Parallel()
	f := func(keys string, want map[string]string) {
		t.Helper()
		c := parse(t, `upstreams: [{name: up, kind: custom, base_url: "https://a.example/x", region: us-east-1, signer: {`+keys+`}}]`+"\n"+minPrincipals)
		s := c.Upstreams[0].Signer
		got := map[string]string{"type": s.Type, "key": s.Key.Reveal(), "token": s.Token.Reveal(), "client_id": s.ClientID,
			"access_token": s.AccessToken.Reveal(), "refresh_token": s.RefreshToken.Reveal(), "token_url": s.TokenURL, "service": s.Service,
			"profile": s.Profile, "access_key": s.AccessKey.Reveal(), "secret_key": s.SecretKey.Reveal(), "session_token": s.SessionToken.Reveal(),
			"credentials_file": s.CredentialsFile}
		maps.DeleteFunc(got, func(_, v string) bool { return v == "" })
		if !maps.Equal(got, want) {
			t.Errorf("{%s} is %v, want %v", keys, got, want)
		}
		if printed := fmt.Sprintf("%v %+v %#v", s, s, s); strings.Contains(printed, "planted") {
			t.Errorf("it prints a secret: %s", printed)
		}
	}
	f("type: anthropic_oauth, client_id: c, refresh_token: planted-r", map[string]string{"type": "anthropic_oauth", "client_id": "c",
		"refresh_token": "planted-r", "token_url": "https://a.example/x/v1/oauth/token"})
	f("type: anthropic_oauth, client_id: c, refresh_token: planted-r, access_token: planted-a, token_url: https://b.example/token",
		map[string]string{"type": "anthropic_oauth", "client_id": "c", "refresh_token": "planted-r", "access_token": "planted-a",
			"token_url": "https://b.example/token"})
	f("type: aws_sigv4, service: bedrock-mantle, profile: p", map[string]string{"type": "aws_sigv4", "service": "bedrock-mantle", "profile": "p"})
	f("type: aws_sigv4, service: bedrock, access_key: planted-k, secret_key: planted-s, session_token: planted-t",
		map[string]string{"type": "aws_sigv4", "service": "bedrock", "access_key": "planted-k", "secret_key": "planted-s", "session_token": "planted-t"})
	f("type: gcp_oauth, credentials_file: sa.json", map[string]string{"type": "gcp_oauth", "credentials_file": "sa.json"})
	f("type: gcp_oauth", map[string]string{"type": "gcp_oauth"})
}

func hashOf(text string) keys.Hash {
	h, err := keys.ParseHash(text)
	if err != nil {
		panic(err)
	}
	return h
}

// object makes an Object of one key.
func object(of map[string]any) *engine.Object {
	o := &engine.Object{}
	for k, v := range of {
		o.Set(k, v)
	}
	return o
}

func TestADialectIsDefaultNoneOrAPath(t *testing.T) {
	t.Parallel()
	f := func(key string, none bool, script string) {
		t.Helper()
		u := parse(t, "upstreams: [{name: up, kind: anthropic_direct, signer: {type: forward}"+key+"}]\n"+minPrincipals).Upstreams[0]
		got := ""
		if u.Dialect != nil {
			got = u.Dialect.Name + " " + u.Dialect.Script
			if u.Dialect.Budget.Steps != 2000000 {
				t.Errorf("%q: budget %+v, want the default", key, u.Dialect.Budget)
			}
		}
		if u.NoDialect != none || got != script {
			t.Errorf("%q: none %v, dialect %q, want %v, %q", key, u.NoDialect, got, none, script)
		}
	}
	f("", false, "")
	f(", dialect: none", true, "")
	f(`, dialect: "${NONE}"`, true, "")
	f(", dialect: dialects/a.star", false, "a dialects/a.star")
}

func TestAnEmptyChainIsNotAnAbsentOne(t *testing.T) {
	t.Parallel()
	absent := parse(t, minimal).Principals[0]
	empty := parse(t, minUpstreams+`principals: [{name: alice, keys: [], filters: []}]`).Principals[0]
	if absent.OwnFilters || !empty.OwnFilters || len(empty.Filters) != 0 {
		t.Errorf("own chain: absent %v, empty %v of %d", absent.OwnFilters, empty.OwnFilters, len(empty.Filters))
	}
}

func TestFreeValuesKeepTheirOrderAndKind(t *testing.T) {
	t.Parallel()
	c := parse(t, minPrincipals+`
upstreams:
  - name: up
    kind: anthropic_direct
    signer: {type: forward}
    labels:
      z: 1
      a: -2.5
      big: 123456789012345678901234567890
      exp: 1e3
      on: true
      off: False
      nothing: ~
      empty:
      day: 2027-01-01
      yes: no
      quoted: "1"
      version: v1.10
      five: ${FIVE}
      list: [1, [two], {k: 3}]
      map: {b: 1, a: 2}
`)
	var keys []string
	got := map[string]any{}
	for k, v := range c.Upstreams[0].Labels.All() {
		keys = append(keys, k)
		got[k] = v
	}
	wantKeys := []string{"z", "a", "big", "exp", "on", "off", "nothing", "empty", "day", "yes", "quoted", "version", "five",
		"list", "map"}
	if !slices.Equal(keys, wantKeys) {
		t.Errorf("keys = %q, want %q", keys, wantKeys)
	}
	inner := &engine.Object{}
	inner.Set("b", int64(1))
	inner.Set("a", int64(2))
	want := map[string]any{
		"z": int64(1), "a": -2.5, "big": engine.Number("123456789012345678901234567890"), "exp": 1000.0, "on": true, "off": false,
		"nothing": nil, "empty": nil, "day": "2027-01-01", "yes": "no", "quoted": "1", "version": "v1.10", "five": "5",
		"list": []any{int64(1), []any{"two"}, object(map[string]any{"k": int64(3)})}, "map": inner,
	}
	for k := range want {
		if !reflect.DeepEqual(got[k], want[k]) {
			t.Errorf("%s = %#v, want %#v", k, got[k], want[k])
		}
	}
}

func TestReferencesAreReplacedInsideValuesOnly(t *testing.T) {
	t.Parallel()
	f := func(written, want string) {
		t.Helper()
		c := parse(t, minimal+"filters: [{script: f.star, config: {'${K}': "+written+"}}]")
		if got, _ := c.Filters[0].Config.Lookup("${K}"); got != want {
			t.Errorf("%s = %q, want %q", written, got, want)
		}
	}
	f(`"${FIVE}"`, "5")
	f(`"a${FIVE}b${FIVE}"`, "a5b5")
	f(`"${file:/run/secret}!"`, "planted-file-5!")
	f(`"${file:/run/windows}"`, "planted-file-6")
	f(`"${file:/run/lines}"`, "planted-file-7\n")
	f(`"$${FIVE}"`, "${FIVE}")
	f(`"$$${FIVE}"`, "$${FIVE}")
	f(`"$FIVE $ $$ {FIVE} }"`, "$FIVE $ $$ {FIVE} }")
	f(`"${TRICKY}"`, "${FIVE}: [x")
	f(`"${EMPTY}"`, "")
}

func TestAReferenceMayStandForAnySingleValue(t *testing.T) {
	t.Parallel()
	c := parse(t, minPrincipals+`
limits: {streams: "${FIVE}"}
admin: {open_metrics: "${YES}"}
upstreams: [{name: "${UP}", kind: anthropic_direct, signer: {type: anthropic_key, key: "${file:/run/secret}"}, weight: "${FIVE}"}]
observers: [{script: o.lua, config: {k: "${file:/run/windows} ${file:/run/secret}"}}]
`)
	u := c.Upstreams[0]
	if c.Limits.Streams != 5 || !c.Admin.OpenMetrics || u.Weight != 5 || u.Name != "planted-up-4" ||
		u.Signer.Key.Reveal() != "planted-file-5" {
		t.Errorf("streams %d, metrics %v, weight %d, name %q", c.Limits.Streams, c.Admin.OpenMetrics, u.Weight, u.Name)
	}
}

func TestListenersMayBeMovedButNotPastTheChecks(t *testing.T) {
	t.Parallel()
	c := parse(t, minimal)
	f := func(listen, admin, want string) {
		t.Helper()
		moved, err := c.WithListeners(listen, admin)
		got := ""
		if err != nil {
			got = err.Error()
		} else {
			got = moved.Listen + " " + moved.Admin.Listen
		}
		if got != want {
			t.Errorf("WithListeners(%q, %q): %s, want %s", listen, admin, got, want)
		}
	}
	f("", "", "127.0.0.1:8787 127.0.0.1:8788")
	f("0.0.0.0:80", "", "0.0.0.0:80 127.0.0.1:8788")
	f(":80", "[::1]:0", ":80 [::1]:0")
	f("127.0.0.1:0", "localhost:0", "127.0.0.1:0 localhost:0")
	f("", "[::ffff:127.0.0.1]:1", "127.0.0.1:8787 [::ffff:127.0.0.1]:1")
	f("", "0.0.0.0:8788", "admin listens beyond loopback without a token, want admin.token or a loopback address")
	f("", "127.0.0.1:8787", "listen and admin.listen have the same port, want two")
	f("8080", "", `listen on "8080": want HOST:PORT such as 127.0.0.1:8787 or [::1]:8787`)
	if c.Listen != "127.0.0.1:8787" {
		t.Error("the config itself was changed")
	}
}

func TestAFileMayHaveWindowsLinesAByteOrderMarkOrBeJSON(t *testing.T) {
	t.Parallel()
	f := func(text string) {
		t.Helper()
		if c := parse(t, text); c.Upstreams[0].Name != "up" || c.Principals[0].Keys[0].Hash != hashOf(hashA) {
			t.Errorf("%q was read wrongly", text)
		}
	}
	f("\ufeff" + minimal)
	f("---\r\n" + minUpstreams[:len(minUpstreams)-1] + "\r\n" + minPrincipals + "...\r\n")
	f(`{"upstreams": [{"name": "up", "kind": "anthropic_direct", "signer": {"type": "forward"}}],
		"principals": [{"name": "alice", "keys": ["` + hashA + `"]}]}`)
	f(minUpstreams + "principals: [{name: alice, keys: [\"sha256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"]}]")
}

func TestTheLedgerIsKeptAsTheConfigSays(t *testing.T) {
	t.Parallel()
	got := parse(t, minimal+"ledger: {keep: 1d, max_size: 1MiB, when_full: refuse}\n").Ledger
	if want := (config.Ledger{Keep: 24 * time.Hour, MaxSize: 1 << 20, Refuse: true}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	if got := parse(t, minimal+"ledger: {when_full: serve}\n").Ledger; got.Refuse || got.Keep != 720*time.Hour {
		t.Errorf("%+v", got)
	}
}
