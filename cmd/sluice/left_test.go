package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
)

// leaving are hooks that leave so many bytes behind when a request says so, by what that is.
var leaving = map[string]map[string]string{
	".star": {
		"state":  "def shape(ctx, upstream, principal, request):\n    if ctx.headers.get(\"x-leave\"):\n        request.state[\"x\"] = \"x\" * %d\n",
		"body":   "def shape(ctx, upstream, principal, request):\n    if ctx.headers.get(\"x-leave\"):\n        request.body.replace(\"x\" * %d)\n",
		"answer": "def transform_response(ctx, response):\n    pass\n",
		"reply":  "def transform_response(ctx, response):\n    if ctx.headers.get(\"x-leave\"):\n        response.body.replace(\"x\" * %d)\n",
		"event":  "def transform_event(ctx, event):\n    return [{\"data\": \"x\" * %d}] if ctx.headers.get(\"x-leave\") and event.name != \"$end\" else None\n",
	},
	".lua": {
		"state":  "function shape(ctx, upstream, principal, request)\n  if ctx.headers[\"x-leave\"] then request.state.x = string.rep(\"x\", %d) end\nend\n",
		"body":   "function shape(ctx, upstream, principal, request)\n  if ctx.headers[\"x-leave\"] then request.body:replace(string.rep(\"x\", %d)) end\nend\n",
		"answer": "function transform_response(ctx, response) end\n",
		"reply":  "function transform_response(ctx, response)\n  if ctx.headers[\"x-leave\"] then response.body:replace(string.rep(\"x\", %d)) end\nend\n",
		"event":  "function transform_event(ctx, event)\n  if ctx.headers[\"x-leave\"] and event.name ~= \"$end\" then return {{data = string.rep(\"x\", %d)}} end\nend\n",
	},
}

// What scripts leave behind is held of budgets.total_memory until the request is over: a request that would leave more fails by its hook's
// rule, and others go on, those of other principals with something left for what they leave. It is told.
func TestWhatScriptsLeaveBehindIsBounded(t *testing.T) {
	t.Parallel()
	for ext, scripts := range leaving {
		for what, text := range scripts {
			t.Run(ext+" "+what, func(t *testing.T) {
				t.Parallel()
				l := &leavers{size: 2_000_000, release: make(chan struct{}), ended: make(chan string, 8)}
				if what == "answer" || what == "reply" {
					l.size *= 3 // what waits for a slow client fits into no socket
				}
				total := 16 * l.size // leases have half of it, and those of one principal half of that
				text = strings.ReplaceAll(text, "%d", strconv.Itoa(l.size))
				upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { l.answer(w, r, what) }))
				t.Cleanup(upstream.Close)
				l.contained = containBefore(t, upstream.URL, fmt.Sprintf("budgets: {time: 10s, memory: %d, total_memory: %[1]d}\n", total),
					map[string]string{"leave" + ext: text}, nil, ", dialect: {script: leave"+ext+", on_error: closed}")
				l.crew.Heap.Store(nil) // the process is that of all tests
				for range cap(l.ended) {
					go l.ask()
				}
				l.until("each waits, or is refused", func() bool { return l.decided.Load() == int64(cap(l.ended)) })
				l.expect(l.send("bob"), "200")
				if what == "answer" || what == "reply" { // which end at once
					l.expect(l.send("bob", "x-leave: 1"), "200")
				}
				if held := l.memory(); held < l.size-64<<10 || held > total {
					t.Errorf("%d bytes are held, want what some left, and at most budgets.total_memory", held)
				}
				close(l.release)
				answers := map[string]int{}
				for range cap(l.ended) {
					answers[<-l.ended]++
				}
				if n := answers["200"]; n == 0 || n > 4 || n+answers["502 dialect_failed"] != cap(l.ended) {
					t.Errorf("answered %v, want 200 for as many as budgets.total_memory has room for, and 502 dialect_failed for others", answers)
				}
				got, told := l.logged(), "leave"+ext+" for principal \"alice\" finds no memory for what outlasts a call: it holds "
				if strings.Count(got, told) != 1 || !strings.Contains(got, "most of it leave"+ext+" for principal \"alice\": ") ||
					!strings.Contains(got, "too little of that is free; told once, counted in /v1/status") {
					t.Errorf("the log:\n%s", got)
				}
				l.until("nothing is held", func() bool { return l.memory() == 0 })
				l.expect(l.send("bob", "x-leave: 1"), "200")
			})
		}
	}
}

// leavers are requests whose scripts leave something behind, before one gateway.
type leavers struct {
	*contained
	size    int // bytes
	release chan struct{}
	decided atomic.Int64
	ended   chan string
}

// answer answers as an upstream: what is to stay with the gateway stays there until it is released.
func (l *leavers) answer(w http.ResponseWriter, r *http.Request, what string) {
	io.Copy(io.Discard, r.Body)
	leaves := r.Header.Get("x-leave") != ""
	switch {
	case leaves && what == "body":
		l.decided.Add(1)
		<-l.release
	case leaves && what == "answer":
		w.Header().Set("content-type", "application/json")
		for _, part := range []string{`{"x":"`, strings.Repeat("x", l.size), `"}`} {
			_, _ = io.WriteString(w, part)
		}
		return
	case leaves && (what == "state" || what == "event"):
		w.Header().Set("content-type", "text/event-stream")
		fmt.Fprint(w, "event: ping\ndata: {}\n\n")
		w.(http.Flusher).Flush()
		<-l.release
		fmt.Fprint(w, "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n")
		return
	}
	fmt.Fprint(w, "{}")
}

// ask sends one request and reads no more than the beginning of its answer until it is released.
func (l *leavers) ask() {
	dialer := net.Dialer{Control: func(_, _ string, c syscall.RawConn) error {
		return c.Control(func(fd uintptr) { _ = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, 4096) })
	}}
	conn, err := dialer.Dial("tcp", l.listen[0].Addr().String())
	if err != nil {
		l.ended <- err.Error()
		return
	}
	defer conn.Close()
	body := `{"model":"claude-sonnet-4-5","max_tokens":16,"messages":[{"role":"user","content":"hi"}]}`
	fmt.Fprintf(conn, "POST /v1/messages HTTP/1.1\r\nhost: x\r\nx-leave: 1\r\nx-api-key: %s\r\nanthropic-version: 2023-06-01\r\ncontent-length: %d\r\n\r\n%s",
		containedKey("alice"), len(body), body)
	from := bufio.NewReader(conn)
	_, _ = from.Peek(1)
	l.decided.Add(1)
	<-l.release
	resp, err := http.ReadResponse(from, nil)
	if err == nil {
		_, err = io.Copy(io.Discard, resp.Body)
	}
	if err != nil {
		l.ended <- err.Error()
		return
	}
	l.ended <- strings.TrimSpace(fmt.Sprint(resp.StatusCode, " ", resp.Header.Get("x-sluice-error")))
}

// memory is what scripts hold, by the metrics.
func (l *leavers) memory() int {
	l.t.Helper()
	resp, err := l.client.Get("http://" + l.contained.listen[1].Addr().String() + "/metrics")
	if err != nil {
		l.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		l.t.Fatal(err)
	}
	_, value, _ := strings.Cut(string(text), "\nsluice_script_memory_bytes ")
	var held float64
	fmt.Sscan(value, &held)
	return int(held)
}
