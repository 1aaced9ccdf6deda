package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"sluice/engine/keys"
)

// echoed is what an upstream that repeats its request says of it, escaped in the way that is asked for.
func echoed(r *http.Request, way string) string {
	text, _ := json.Marshal(r.Header)
	switch {
	case strings.HasSuffix(way, "slashes"):
		return strings.ReplaceAll(string(text), "/", `\/`)
	case strings.HasSuffix(way, "url"):
		return strconv.Quote(url.QueryEscape(string(text)))
	}
	return string(text)
}

// echo is an upstream that repeats what it was sent, in the way that x-way asks for.
func echo(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	for name, values := range r.Header {
		h["Echo-"+name] = values
	}
	way := r.Header.Get("X-Way")
	said := echoed(r, way)
	status := 200
	fmt.Sscan(way, &status)
	if strings.HasSuffix(way, "told") {
		told(w, r, status)
		return
	}
	switch {
	case strings.HasPrefix(way, "stream"), strings.HasSuffix(way, "cut"):
		h.Set("content-type", "text/event-stream")
		fmt.Fprintf(w, "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{}}\n\n")
		event := fmt.Sprintf("event: x\ndata: {\"type\":\"x\",\"of\":%s}\n\n: %s\n\n", said, said)
		if strings.HasSuffix(way, "cut") { // a few bytes at a time
			for len(event) > 0 {
				n := min(5, len(event))
				io.WriteString(w, event[:n])
				w.(http.Flusher).Flush()
				event = event[n:]
			}
		}
		fmt.Fprintf(w, "%sevent: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"api_error\",\"message\":%q}}\n\n", event, said)
	case strings.HasSuffix(way, "html"):
		h.Set("content-type", "text/html")
		w.WriteHeader(status)
		io.WriteString(w, "<p>"+said)
	default:
		h.Set("content-type", "application/json")
		w.WriteHeader(status)
		fmt.Fprintf(w, `{"type":"error","error":{"type":"invalid_request_error","message":%q},"content":[],"of":%s}`, said, said)
	}
}

// told repeats the credential wherever the gateway takes a word of an answer for itself: ids, the model, quotas, and names of headers.
func told(w http.ResponseWriter, r *http.Request, status int) {
	h := w.Header()
	credential := r.Header.Get("x-api-key") + r.Header.Get("x-amz-security-token")
	if credential == "" {
		_, credential, _ = strings.Cut(r.Header.Get("authorization"), " ")
	}
	letters := strings.NewReplacer("/", "", "+", "", "=", "").Replace(credential)
	h.Set("request-id", credential)
	h.Set("x-"+letters, "1")
	h.Set("x-"+strings.ReplaceAll(letters, "-", "_"), "1")
	const unified = "anthropic-ratelimit-unified-"
	h.Set(unified+"5h-status", credential)
	h.Set(unified+letters+"-status", "allowed")
	h.Set(unified+"status", "rejected")
	h.Set(unified+"representative-claim", "seven_day_"+credential)
	h.Set("content-type", "application/json")
	switch {
	case strings.HasPrefix(r.Header.Get("X-Way"), "stream"):
		h.Set("content-type", "text/event-stream")
		fmt.Fprintf(w, "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"model\":%q}}\n\n"+
			"event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n", credential)
	case strings.HasPrefix(r.Header.Get("X-Way"), "type"):
		h.Set("content-type", credential)
	case strings.HasPrefix(r.Header.Get("X-Way"), "encoding"):
		h.Set("content-encoding", credential)
		fmt.Fprint(w, "x")
	default:
		w.WriteHeader(status)
		fmt.Fprintf(w, `{"id":%q,"type":"message","model":%q,"content":[],"usage":{"input_tokens":1}}`, credential, credential)
	}
}

// repeaters are dialects that tell all they see of an answer, in the log and to the client.
var repeaters = map[string]string{
	".star": `def told(text):
    for i in range(0, min(len(text), 4000), 900):
        log("` + visible + `" + text[i:i + 900])
    return {"type": "error", "error": {"type": "api_error", "message": text}}

def lines(h):
    return str([(k, h.all(k)) for k in h])

def normalize_error(status, body, headers):
    return told(lines(headers) + str(body.raw()))

def transform_response(ctx, response):
    return {"body": told(lines(response.headers) + str(response.body.raw()))}

def transform_event(ctx, event, state):
    return [{"name": "y", "data": told(event.name + str(event.data))}]
`,
	".lua": `local function told(text)
  for i = 1, math.min(#text, 4000), 900 do log("` + visible + `" .. string.sub(text, i, i + 899)) end
  return { type = "error", error = { type = "api_error", message = text } }
end

local function lines(h)
  local out = {}
  for k in pairs(h) do
    for _, one in ipairs(h:all(k)) do out[#out + 1] = k .. "=" .. one end
  end
  return table.concat(out, " ")
end

function normalize_error(status, body, headers) return told(lines(headers) .. tostring(body:raw())) end

function transform_response(ctx, response) return { body = told(lines(response.headers) .. tostring(response.body:raw())) } end

function transform_event(ctx, event, state)
  return { { name = "y", data = told(event.name .. tostring(event.data)) } }
end
`,
}

// quotas are filters that tell all they see of quotas.
var quotas = map[string]string{
	".star": `def filter(ctx, principal, candidates):
    for c in candidates:
        for q in c.quotas:
            log("` + visible + ` %s is %s" % (q.window, q.status))
    return candidates
`,
	".lua": `function filter(ctx, principal, candidates)
  for _, c in ipairs(candidates) do
    for _, q in ipairs(c.quotas) do log("` + visible + ` " .. q.window .. " is " .. q.status) end
  end
  return candidates
end
`,
}

// TestAnUpstreamThatRepeatsItsRequestTellsItsClientAlone: neither scripts nor the log, the ledger or the admin API have the credential.
func TestAnUpstreamThatRepeatsItsRequestTellsItsClientAlone(t *testing.T) {
	t.Parallel()
	up := httptest.NewServer(http.HandlerFunc(echo))
	t.Cleanup(up.Close)
	dir := t.TempDir()
	config := "listen: 127.0.0.1:0\nadmin: {listen: 127.0.0.1:0}\nscripts: ./scripts\ndata: ./data\nbudgets: {time: 5s}\nobservers: [{script: watch.star}]\n" +
		"filters: [{name: q1, script: quotas.star}, {name: q2, script: quotas.lua}]\nupstreams:\n"
	principals, who := "principals:\n", 0
	const upstream, session, id = plantedUpstream + "/+=", plantedCloud + "/+==", "AKIAqzwv000011112222"
	for _, dialect := range []string{"none", "repeat.star", "repeat.lua"} {
		for _, signer := range []string{
			fmt.Sprintf("{type: anthropic_key, key: %q}", upstream),
			fmt.Sprintf("{type: bearer, token: %q}", upstream),
			fmt.Sprintf("{type: anthropic_oauth, client_id: c, access_token: %q, refresh_token: %s, token_url: %s}", upstream, plantedRefresh, up.URL),
			fmt.Sprintf("{type: aws_sigv4, service: bedrock, access_key: %s, secret_key: %s, session_token: %q}", id, plantedCloud, session),
		} {
			name := fmt.Sprint("u", who)
			kind := "anthropic_direct"
			if strings.Contains(signer, "aws_sigv4") {
				kind = "bedrock_mantle, region: us-east-1"
			}
			config += fmt.Sprintf("  - {name: %s, kind: %s, base_url: %q, breaker: {failures: 1000}, signer: %s, dialect: %s}\n", name, kind, up.URL, signer, dialect)
			principals += fmt.Sprintf("  - {name: %s, keys: [%q], paths: [\"*\"], upstreams: [%s]}\n", name, keys.Sum(containedKey(name)), name)
			who++
		}
	}
	scripts := map[string]string{"watch.star": "def observe(event):\n    if event.kind == \"error\":\n        log(str([event.code, event.message]))\n"}
	for ext, text := range repeaters {
		scripts["repeat"+ext], scripts["quotas"+ext] = text, quotas[ext]
	}
	c := containWith(t, dir, config+principals, scripts, nil)
	clean := func(where, text string) {
		t.Helper()
		text = strings.ToLower(text) // as names of headers are
		for _, part := range plantedParts {
			if at := strings.Index(text, part); at >= 0 {
				t.Errorf("%s holds %q: …%s…", where, part, text[max(0, at-60):min(len(text), at+60)])
			}
		}
	}
	ways := []string{"200", "200 html", "200 slashes", "200 url", "302", "400", "400 html", "400 slashes", "400 url", "404", "500", "500 html",
		"stream", "stream slashes", "stream url", "cut", "403", "529", "200 told", "stream told", "type told", "encoding told", "401 told", "401", "429 told"}
	for i := range who {
		c.reply("POST", c.listen[0].Addr().String(), "/v1/files", "x", "x-api-key: "+containedKey(fmt.Sprint("u", i)), "x-way: 200 told")
		for _, way := range ways {
			where := fmt.Sprintf("the answer to u%d %s", i, way)
			body := `{"model":"claude-sonnet-4-5","max_tokens":16,"stream":%v,"messages":[{"role":"user","content":"hi"}]}`
			_, text := c.reply("POST", c.listen[0].Addr().String(), "/v1/messages", fmt.Sprintf(body, !strings.HasPrefix(way, "200")),
				"x-api-key: "+containedKey(fmt.Sprint("u", i)), "anthropic-version: 2023-06-01", "x-way: "+way, "x-visible: "+visible)
			if strings.HasPrefix(way, "401") { // it is about our own credential, and no client's answer
				clean(where, text)
			}
		}
	}
	for _, path := range []string{"/metrics", "/v1/status", "/v1/upstreams", "/v1/requests?limit=1000"} {
		_, text := c.reply("GET", c.listen[1].Addr().String(), path, "")
		clean(path, text)
	}
	c.until("the hooks have looked", func() bool { return strings.Count(c.logged(), visible) > 10 })
	clean("the log", c.logged())
	onDisk(t, filepath.Join(dir, "data"), clean)
}
