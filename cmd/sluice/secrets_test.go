package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"sluice/engine/keys"
	"sluice/proxy/simulate"
	"sluice/runtimes"
)

// What nobody but its owner may see. Each is unlike any other text, so that a part of it is found as well.
const (
	plantedKey      = "sk-sluice-qzwvkey-0001-rfvtgb"
	plantedUpstream = "sk-ant-qzwvups-0002-yhnujm"
	plantedToken    = "qzwvtok-0003-ikolpm"
	plantedCookie   = "qzwvcoo-0004-edcrfv"
	plantedProvider = "qzwvpro-0005-wsxedc" // in a header of the provider's that is for the gateway alone
	plantedData     = "qzwvdat-0006-plokij" // data_key
	plantedRefresh  = "qzwvref-0007-mnbvcx" // of an account
	plantedCloud    = "qzwvaws-0008-lkjhgf" // a cloud's secret key and session token
)

// plantedParts are what is looked for.
var plantedParts = []string{"qzwv", "rfvtgb", "yhnujm", "ikolpm", "edcrfv", "wsxedc", "plokij", "mnbvcx", "lkjhgf"}

// hiddenNames are headers that a script asks for by name.
var hiddenNames = []string{"authorization", "x-api-key", "X-Api-Key", "proxy-authorization", "cookie", "set-cookie", "x-sluice-key", "x-amz-security-token",
	"x-goog-api-key", "api-key", "x-note"}

// visible is in what scripts may see: it shows that they looked.
const visible = "plainly-visible"

// fieldsOf lists the plain fields of a type, as expressions over a variable.
func fieldsOf(of *runtimes.Type, variable string) []string {
	var out []string
	for i := range of.Fields {
		switch name := of.Fields[i].Name; name {
		case "headers", "body", "state", "random":
		default:
			out = append(out, variable+"."+name)
		}
	}
	return out
}

func quoted(names []string) string {
	out := make([]string, len(names))
	for i, n := range names {
		out[i] = fmt.Sprintf("%q", n)
	}
	return strings.Join(out, ", ")
}

func starlarkDumper() string {
	exprs := func(of *runtimes.Type, v string) string { return "[" + strings.Join(fieldsOf(of, v), ", ") + "]" }
	return `NAMES = [` + quoted(hiddenNames) + `]

def headers(h):
    return str([(k, h[k], h.all(k)) for k in h] + [h.all(n) for n in NAMES] + [h.get(n) for n in NAMES])

def told(hook, text, mode):
    for i in range(0, min(len(text), 8000), 900):
        log(hook + ": " + text[i:i + 900])
    if mode == "fail":
        fail(text)
    return text

def everything(ctx, principal):
    text = str(` + exprs(runtimes.TypeCtx, "ctx") + `) + headers(ctx.headers) + json.encode(ctx.query) + str(ctx.body.raw())
    text += str(` + exprs(runtimes.TypePrincipal, "principal") + `) + json.encode(principal.claims) + json.encode(config)
    return text

def filter(ctx, principal, candidates):
    text = everything(ctx, principal)
    for c in candidates:
        text += str(` + exprs(runtimes.TypeCandidate, "c") + `) + json.encode(c.labels)
    told("filter", text, ctx.headers.get("x-mode") == "filter" and "fail" or "")
    return candidates if ctx.headers.get("x-mode") != "junk" else text

def route(ctx, principal, candidates):
    told("route", everything(ctx, principal), ctx.headers.get("x-mode") == "route" and "fail" or "")
    return candidates[0]

def shape(ctx, upstream, principal, request):
    text = everything(ctx, principal) + str(` + exprs(runtimes.TypeUpstream, "upstream") + `) + json.encode(upstream.labels)
    text += headers(request.headers) + str(` + exprs(runtimes.TypeRequest, "request") + `) + str(request.body.raw())
    told("shape", text, ctx.headers.get("x-mode") == "shape" and "fail" or "")
    request.headers.set("x-dump", json.encode([text])[:4000])

def normalize_error(status, body, hs):
    text = told("normalize_error", headers(hs) + str(body.raw()), "")
    return {"status": 418, "body": {"type": "error", "error": {"type": "api_error", "message": text}}}

FIELDS = {
    "request_started": ["method", "path", "user_agent"],
    "authn_complete": ["principal", "principal_kind"],
    "upstream_chosen": ["upstream", "attempt"],
    "request_finished": ["status", "code", "model", "upstream", "usage", "cost_usd", "ttfb_ms", "duration_ms", "attempts"],
    "chunk": ["index", "events", "bytes"],
    "error": ["code", "message", "source"],
}

def observe(event):
    told("observe", "` + visible + `" + str([event.kind, event.request_id, event.now_ms] + [getattr(event, f) for f in FIELDS[event.kind]]), "")
`
}

func luaDumper() string {
	exprs := func(of *runtimes.Type, v string) string {
		var out []string
		for _, e := range fieldsOf(of, v) {
			out = append(out, "tostring("+e+")")
		}
		return strings.Join(out, ` .. " " .. `)
	}
	return `local NAMES = {` + quoted(hiddenNames) + `}

local function headers(h)
  local out = {}
  for k, v in pairs(h) do
    out[#out + 1] = k .. "=" .. v
    for _, one in ipairs(h:all(k)) do out[#out + 1] = one end
  end
  for _, n in ipairs(NAMES) do
    out[#out + 1] = tostring(h[n])
    for _, one in ipairs(h:all(n)) do out[#out + 1] = one end
  end
  return table.concat(out, " ")
end

local function told(hook, text, mode)
  for i = 1, math.min(#text, 8000), 900 do
    log(hook .. ": " .. string.sub(text, i, i + 899))
  end
  if mode == hook then error(text) end
  return text
end

local function everything(ctx, principal)
  return ` + exprs(runtimes.TypeCtx, "ctx") + ` .. headers(ctx.headers) .. json.encode(ctx.query) .. tostring(ctx.body:raw()) ..
    ` + exprs(runtimes.TypePrincipal, "principal") + ` .. json.encode(principal.claims) .. json.encode(config)
end

function filter(ctx, principal, candidates)
  local text = everything(ctx, principal)
  for _, c in ipairs(candidates) do
    text = text .. ` + exprs(runtimes.TypeCandidate, "c") + ` .. json.encode(c.labels)
  end
  told("filter", text, ctx.headers["x-mode"])
  if ctx.headers["x-mode"] == "junk" then return text end
  return candidates
end

function route(ctx, principal, candidates)
  told("route", everything(ctx, principal), ctx.headers["x-mode"])
  return candidates[1]
end

function shape(ctx, upstream, principal, request)
  local text = everything(ctx, principal) .. ` + exprs(runtimes.TypeUpstream, "upstream") + ` .. json.encode(upstream.labels) ..
    headers(request.headers) .. ` + exprs(runtimes.TypeRequest, "request") + ` .. tostring(request.body:raw())
  told("shape", text, ctx.headers["x-mode"])
  request.headers:set("x-dump", string.sub(json.encode({ text }), 1, 4000))
end

function normalize_error(status, body, hs)
  local text = told("normalize_error", headers(hs) .. tostring(body:raw()), "")
  return { status = 418, body = { type = "error", error = { type = "api_error", message = text } } }
end

local FIELDS = {
  request_started = { "method", "path", "user_agent" },
  authn_complete = { "principal", "principal_kind" },
  upstream_chosen = { "upstream", "attempt" },
  request_finished = { "status", "code", "model", "upstream", "usage", "cost_usd", "ttfb_ms", "duration_ms", "attempts" },
  chunk = { "index", "events", "bytes" },
  error = { "code", "message", "source" },
}

function observe(event)
  local text = "` + visible + `" .. event.kind .. event.request_id .. event.now_ms
  for _, f in ipairs(FIELDS[event.kind]) do text = text .. tostring(event[f]) end
  told("observe", text, "")
end
`
}

// plant serves the dumping script in every slot, with secrets wherever the config takes them.
func plant(t *testing.T, ext, script string) (*contained, *simulate.Provider, string) {
	t.Helper()
	dir := t.TempDir()
	p, err := simulate.Start(simulate.Options{Name: "a", Key: plantedUpstream, Keep: -1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	for name, secret := range map[string]string{"upstream.key": plantedUpstream, "admin.token": plantedToken, "data.key": plantedData, "refresh.token": plantedRefresh,
		"cloud.secret": plantedCloud} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(secret+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	from := func(name string) string { return "${file:" + filepath.Join(dir, name) + "}" }
	c := containWith(t, dir, fmt.Sprintf(`listen: 127.0.0.1:0
admin: {listen: 127.0.0.1:0, token: "%s"}
scripts: ./scripts
data: ./data
data_key: "%s"
budgets: {time: 5s}
upstreams:
  - {name: a, kind: anthropic_direct, base_url: %q, signer: {type: anthropic_key, key: "%s"}, dialect: dump%s, labels: {tier: %s}}
  - {name: o, kind: anthropic_direct, base_url: %q, signer: {type: anthropic_oauth, client_id: c, refresh_token: "%s", token_url: "%s/token"}, dialect: dump%s}
  - {name: s, kind: bedrock_runtime, region: us-east-1, base_url: %q, signer: {type: aws_sigv4, access_key: AKIDEXAMPLE, secret_key: "%s", session_token: "%s"}, dialect: dump%s}
principals:
  - {name: alice, keys: [%q], claims: {team: %s}, upstreams: [a]}
  - {name: bob, keys: [%q], upstreams: [o]}
  - {name: carol, keys: [%q], upstreams: [s]}
filters: [{script: dump%s, config: {note: %s}}]
router: {script: dump%s}
observers: [{script: dump%s}]
`, from("admin.token"), from("data.key"), p.URL(), from("upstream.key"), ext, visible,
		p.URL(), from("refresh.token"), p.URL(), ext, p.URL(), from("cloud.secret"), from("cloud.secret"), ext,
		keys.Sum(plantedKey), visible, keys.Sum(plantedKey+"-bob"), keys.Sum(plantedKey+"-carol"), ext, visible, ext, ext),
		map[string]string{"dump" + ext: script}, nil)
	return c, p, dir
}

// reply is all that came back for a request.
func (c *contained) reply(method, addr, path, body string, header ...string) (int, string) {
	c.t.Helper()
	req, err := http.NewRequest(method, "http://"+addr+path, strings.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	for _, line := range header {
		name, value, _ := strings.Cut(line, ": ")
		req.Header.Add(name, value)
	}
	resp, err := c.client.Do(req)
	if err != nil {
		c.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	return resp.StatusCode, fmt.Sprint(resp.Header, string(text))
}

func TestNoScriptLineErrorTraceOrAnswerHoldsACredential(t *testing.T) {
	t.Parallel()
	for ext, script := range map[string]string{".star": starlarkDumper(), ".lua": luaDumper()} {
		t.Run(ext, func(t *testing.T) {
			c, p, dir := plant(t, ext, script)
			clean := func(where, text string) {
				t.Helper()
				for _, part := range plantedParts {
					if at := strings.Index(text, part); at >= 0 {
						t.Errorf("%s holds %q: …%s…", where, part, text[max(0, at-60):min(len(text), at+60)])
					}
				}
			}
			gateway, admin := c.listen[0].Addr().String(), c.listen[1].Addr().String()
			ask := func(want int, header ...string) {
				t.Helper()
				own := header[0][strings.LastIndex(header[0], " ")+1:]
				header = append(header, "anthropic-version: 2023-06-01", "x-visible: "+visible, "x-note: my key is "+own+" please",
					"cookie: session="+plantedCookie, "proxy-authorization: Basic "+plantedCookie, "x-amz-security-token: "+plantedCookie,
					"x-goog-api-key: "+plantedCookie, "api-key: "+plantedCookie)
				status, text := c.reply("POST", gateway, "/v1/messages?beta=true",
					`{"model":"claude-sonnet-4-5","max_tokens":16,"messages":[{"role":"user","content":"`+visible+`"}]}`, header...)
				if status != want {
					t.Errorf("%q: status %d, want %d: %.300s", header[:1], status, want, text)
				}
				clean(fmt.Sprintf("the answer to %q", header[:1]), text)
			}
			for _, with := range []string{"x-api-key: " + plantedKey, "authorization: Bearer " + plantedKey, "x-sluice-key: " + plantedKey} {
				ask(200, with)
			}
			key := "x-api-key: " + plantedKey
			ask(200, key, "authorization: Bearer "+plantedCookie)
			ask(200, key, "x-mode: filter")
			ask(200, key, "x-mode: junk")
			ask(502, key, "x-mode: route")
			ask(502, key, "x-mode: shape")
			ask(401, "x-api-key: "+plantedCookie)
			ask(502, "x-api-key: "+plantedKey+"-bob")   // whose account cannot be refreshed
			ask(502, "x-api-key: "+plantedKey+"-carol") // whose signature the provider does not take
			p.SetHeader("x-visible", visible)
			p.SetHeader("set-cookie", "provider="+plantedProvider)
			if err := p.Next("500", "401"); err != nil {
				t.Fatal(err)
			}
			ask(418, key)
			ask(502, key)

			token := "authorization: Bearer " + plantedToken
			c.write(t, "dump"+ext, "broken ( "+visible+"\n")
			c.reply("POST", admin, "/v1/reload", "", token)
			raw := `{"request": "POST /v1/messages HTTP/1.1\r\nhost: x\r\nx-api-key: ` + plantedKey + `\r\nauthorization: Bearer ` + plantedCookie +
				`\r\ncontent-length: 2\r\n\r\n{}"}`
			for _, path := range []string{"/healthz", "/readyz", "/metrics", "/v1/status", "/v1/upstreams", "/v1/requests?limit=100", "/nosuch"} {
				_, text := c.reply("GET", admin, path, "", token)
				clean(path, text)
			}
			_, list := c.reply("GET", admin, "/v1/requests?limit=100", "", token)
			if n := strings.Count(list, `"request_id":`); n < 10 {
				t.Fatalf("%d requests on record: %s", n, list)
			}
			for _, part := range strings.Split(list, `"request_id":"`)[1:] {
				id, _, _ := strings.Cut(part, `"`)
				_, text := c.reply("GET", admin, "/v1/requests/"+id, "", token)
				clean("the record of "+id, text)
			}
			for path, body := range map[string]string{"/v1/preview": raw, "/v1/reload": ""} {
				_, text := c.reply("POST", admin, path, body, token)
				clean(path, text)
			}
			_, text := c.reply("GET", admin, "/v1/status", "", "authorization: Bearer "+plantedToken+"x")
			clean("the answer to a wrong token", text)

			for _, r := range p.Requests() {
				sent := slices.DeleteFunc(slices.Clone(r.Headers), func(h simulate.Header) bool { return strings.EqualFold(h.Name, "x-api-key") })
				clean("what the provider got beside its own key", fmt.Sprint(r.Method, r.Path, r.Query, sent, string(r.Body)))
			}
			c.until("every hook has looked", func() bool {
				log := c.logged()
				for _, hook := range []string{"filter", "route", "shape", "normalize_error", "observe"} {
					if !slices.ContainsFunc(strings.Split(log, "\n"), func(line string) bool {
						return strings.Contains(line, ": "+hook+": ") && strings.Contains(line, visible)
					}) {
						return false
					}
				}
				return true
			})
			clean("the log", c.logged())
			onDisk(t, filepath.Join(dir, "data"), clean)
		})
	}
}

// onDisk looks through every file below dir.
func onDisk(t *testing.T, dir string, clean func(where, text string)) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		clean(path, string(bytes.ToValidUTF8(data, nil)))
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// A link may lead from the scripts to a file of secrets: what is wrong with it is told, and what it holds is not.
func TestNoErrorShowsAFileOutsideOfTheScripts(t *testing.T) {
	t.Parallel()
	dir, scripts := t.TempDir(), map[string]string{"s.star": "def filter(ctx, principal, candidates):\n    return candidates\n",
		"s.lua": "function filter(ctx, principal, candidates) return candidates end\n"}
	config := "listen: 127.0.0.1:0\nadmin: {listen: 127.0.0.1:0}\nscripts: ./scripts\ndata: ./data\nfilters: [{name: a, script: s.star}, {name: b, script: s.lua}]\n" +
		"upstreams: [{name: a, kind: anthropic_direct, signer: {type: forward}}]\n"
	c := containWith(t, dir, config+fmt.Sprintf("principals: [{name: alice, keys: [%q]}]\n", keys.Sum(plantedKey)), scripts, nil)
	secret := filepath.Join(dir, "upstream.key")
	if err := os.WriteFile(secret, []byte("x = ((\""+plantedUpstream+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, text := range scripts {
		link := filepath.Join(dir, "link")
		if err := errors.Join(os.Symlink(secret, link), os.Rename(link, filepath.Join(dir, "scripts", name))); err != nil {
			t.Fatal(err)
		}
		c.until("the error is told", func() bool { return strings.Contains(c.logged(), name+":1:") })
		if err := os.Remove(filepath.Join(dir, "scripts", name)); err != nil {
			t.Fatal(err)
		}
		c.write(t, name, text+"\n")
		c.until("the script is live again", func() bool { return strings.Contains(c.logged(), name+": version") })
	}
	if text := c.logged(); strings.Contains(text, plantedUpstream) {
		t.Errorf("the log says %s", text)
	}
}
