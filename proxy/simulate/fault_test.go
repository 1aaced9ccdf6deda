package simulate_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"sluice/proxy/simulate"
)

// faultTests holds a test for each name of FaultModes. The provider each gets has that standing fault, without a value.
var faultTests = map[string]func(t *testing.T, p *simulate.Provider){
	"none":              isWhole,
	"latency":           nil, // has no form without a value
	"slow":              isWhole,
	"401":               fails(401, "authentication_error", "invalid x-api-key", "x-should-retry: false"),
	"403":               fails(403, "permission_error", forbidden, "x-should-retry: false"),
	"404-model":         failsToKnowTheModel,
	"429":               fails(429, "rate_limit_error", perMinute, exhausted...),
	"429-window":        fails(429, "rate_limit_error", perAccount, closedWindow...),
	"429-spend":         fails(429, "rate_limit_error", "Your organization has reached its monthly spend limit.", "retry-after: "),
	"overloaded-429":    fails(429, "overloaded_error", "Overloaded", "retry-after: 1"),
	"500":               fails(500, "api_error", "Internal server error", "retry-after: "),
	"502-html":          isThePageOfACDN,
	"503":               isAnEmptyPageOfACDN,
	"529":               fails(529, "overloaded_error", "Overloaded", "x-should-retry: true"),
	"redirect":          redirects,
	"1xx":               comesAfterEarlyHints,
	"bigheader":         hasABigHeader,
	"giant":             isGiant,
	"close-delimited":   endsWithTheConnection,
	"cut-boundary":      isCutBetweenChunks,
	"cut-inside":        isCutInAnEvent,
	"cut-json":          isCutInTheBody,
	"reset":             isReset,
	"reset-bytes":       isResetAnywhere,
	"reset-before-head": isNeverAnswered,
	"garbage":           isNoHTTP,
	"stall":             stallsInTheBody,
	"stall-head":        stallsBeforeTheHead,
	"garbled":           isGarbled,
	"error-event":       endsWithAnErrorEvent,
	"no-stop":           endsWithoutStop,
	"refuse":            takesNoConnection,
	"half-open":         isThereAndDoesNothing,
	"slow-read":         readsSlowly,
}

const (
	forbidden  = "Your API key does not have permission to use the specified resource."
	perMinute  = "This request would exceed your organization's rate limit of 4000 requests per minute."
	perAccount = "This request would exceed your account's rate limit. Please try again later."
)

var exhausted = []string{
	"retry-after: 5",
	"x-should-retry: true",
	"anthropic-ratelimit-requests-remaining: 0",
	"anthropic-ratelimit-requests-reset: 2026-11-23T12:00:05Z",
}

var closedWindow = []string{
	"retry-after: 5",
	"anthropic-ratelimit-unified-status: rejected",
	"anthropic-ratelimit-unified-reset: 1795438800", // one hour after noon
	"anthropic-ratelimit-unified-representative-claim: five_hour",
	"anthropic-ratelimit-unified-5h-status: rejected",
	"anthropic-ratelimit-unified-5h-reset: 1795438800",
	"anthropic-ratelimit-unified-5h-utilization: 1",
	"anthropic-ratelimit-unified-7d-status: allowed",
	"anthropic-ratelimit-unified-7d-utilization: 0.5",
}

func TestEveryFaultModeDoesWhatItSays(t *testing.T) {
	t.Parallel()
	line := regexp.MustCompile(`^([0-9a-z-]+)(\[?=(?:DUR|N)\]?)? {2,}\S`)
	tested := 0
	for _, mode := range simulate.FaultModes() {
		m := line.FindStringSubmatch(mode)
		if m == nil {
			t.Errorf("mode %q has not the form it should have", mode)
			continue
		}
		test, ok := faultTests[m[1]]
		if !ok {
			t.Errorf("mode %q has no test", m[1])
		}
		tested++
		if test == nil {
			continue
		}
		t.Run(m[1], func(t *testing.T) {
			t.Parallel()
			test(t, start(t, simulate.Options{Name: "sim-a", Fault: m[1]}))
		})
	}
	equal(t, "modes with a test", len(faultTests), tested)
}

var (
	askHello  = request("POST", "/v1/messages", hello)
	askStream = request("POST", "/v1/messages", helloStream)
)

// healthy is the answer to the first request of a provider without fault.
func healthy(t *testing.T, text, end string) string {
	t.Helper()
	answer, _ := talkUntil(t, start(t, simulate.Options{Name: "sim-a"}), text, end)
	return answer
}

func healthyStream(t *testing.T) (answer, head string, chunks []string) {
	t.Helper()
	answer = healthy(t, askStream, "\r\n0\r\n\r\n")
	head, chunks, _ = chunksOf(t, answer)
	return answer, head, chunks[:len(chunks)-1]
}

// framed is what the chunks are on the wire.
func framed(chunks ...string) string {
	var b strings.Builder
	for _, c := range chunks {
		fmt.Fprintf(&b, "%x\r\n%s\r\n", len(c), c)
	}
	return b.String()
}

func isWhole(t *testing.T, p *simulate.Provider) {
	answer, _, _ := healthyStream(t)
	got, _ := talkUntil(t, p, askStream, "\r\n0\r\n\r\n")
	equal(t, "stream", got, answer)
	equal(t, "end", wait(t, p, ended(simulate.Sent)).End, simulate.Sent)
}

// fails makes a test for an error of the API with these headers; "name: " means that the header is not there.
func fails(status int, kind, message string, headers ...string) func(*testing.T, *simulate.Provider) {
	return func(t *testing.T, p *simulate.Provider) {
		refused(t, p, status, kind, message, "POST", "/v1/messages", hello)
		refused(t, p, status, kind, message, "POST", "/v1/messages", "{", "x-api-key:")
		resp, _ := do(t, p, "POST", "/v1/messages", helloStream)
		for _, h := range headers {
			name, want, _ := strings.Cut(h, ": ")
			equal(t, name, strings.Join(resp.Header.Values(name), ","), want)
		}
	}
}

func failsToKnowTheModel(t *testing.T, p *simulate.Provider) {
	refused(t, p, 404, "not_found_error", "model: claude-x", "POST", "/v1/messages", hello)
	refused(t, p, 404, "not_found_error", "model: unknown", "GET", "/v1/models", "")
}

func isThePageOfACDN(t *testing.T, p *simulate.Provider) {
	got, _ := talkUntil(t, p, askStream, "</html>\r\n")
	equal(t, "answer", got, "HTTP/1.1 502 Bad Gateway\r\nServer: cloudflare\r\nContent-Type: text/html; charset=UTF-8\r\n"+
		"Content-Length: 155\r\nvia: 1.1 google\r\ncf-cache-status: DYNAMIC\r\ncf-ray: 1-SIM\r\n"+cookie+"\r\n"+
		"<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n<center><h1>502 Bad Gateway</h1></center>\r\n"+
		"<hr><center>cloudflare</center>\r\n</body>\r\n</html>\r\n")
}

func isAnEmptyPageOfACDN(t *testing.T, p *simulate.Provider) {
	got, _ := talkUntil(t, p, askStream, "\r\n\r\n")
	equal(t, "answer", got, "HTTP/1.1 503 Service Unavailable\r\nServer: cloudflare\r\nContent-Type: text/html; charset=UTF-8\r\n"+
		"Content-Length: 0\r\nvia: 1.1 google\r\ncf-cache-status: DYNAMIC\r\ncf-ray: 1-SIM\r\n"+cookie+"\r\n")
}

func redirects(t *testing.T, p *simulate.Provider) {
	resp, out := do(t, p, "POST", "/v1/messages", hello)
	equal(t, "answer", fmt.Sprint(resp.StatusCode, resp.Header.Get("location"), out), "302/v1/redirected")
}

func comesAfterEarlyHints(t *testing.T, p *simulate.Provider) {
	const hints = "HTTP/1.1 103 Early Hints\r\nlink: </style.css>; rel=preload\r\n\r\n"
	got, c := talkUntil(t, p, askHello, `"us"}}`)
	equal(t, "answer", got, hints+healthy(t, askHello, `"us"}}`))
	if _, err := io.WriteString(c, askStream); err != nil {
		t.Fatal(err)
	}
	if got = readUntil(t, c, "\r\n0\r\n\r\n"); !strings.HasPrefix(got, hints+"HTTP/1.1 200 OK\r\n") {
		t.Errorf("got %q", got)
	}
}

func hasABigHeader(t *testing.T, p *simulate.Provider) {
	resp, out := do(t, p, "POST", "/v1/messages", hello)
	equal(t, "x-big", resp.Header.Get("x-big"), strings.Repeat("b", 64<<10))
	if !strings.HasSuffix(out, `"us"}}`) {
		t.Errorf("got %q", out)
	}
}

func isGiant(t *testing.T, p *simulate.Provider) {
	f := func(body, end string) {
		t.Helper()
		req, err := http.NewRequest("POST", p.URL()+"/v1/messages", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("x-api-key", "k")
		req.Header.Set("anthropic-version", "2023-06-01")
		transport := &http.Transport{DisableKeepAlives: true}
		defer transport.CloseIdleConnections()
		resp, err := transport.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = resp.Body.Close() }()
		out, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		const piece = 64 << 10
		equal(t, "text", bytes.Count(out, bytes.Repeat([]byte("g"), piece))*piece, simulate.GiantText)
		if !bytes.HasSuffix(out, []byte(end)) {
			t.Errorf("the end is %q, want %q", out[len(out)-100:], end)
		}
	}
	f(hello, `"us"}}`)
	f(helloStream, "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n")
}

func endsWithTheConnection(t *testing.T, p *simulate.Provider) {
	f := func(text, whole string, framing ...string) {
		t.Helper()
		got, err := talk(t, p, text)
		if err != nil {
			t.Fatal(err)
		}
		head, body, _ := strings.Cut(whole, "\r\n\r\n")
		for _, line := range framing {
			head = strings.Replace(head, line, "", 1)
		}
		equal(t, "answer", sameNumber(got), head+"\r\nConnection: close\r\n\r\n"+body)
	}
	f(askHello, healthy(t, askHello, `"us"}}`), "Content-Length: 528\r\n")
	_, head, chunks := healthyStream(t)
	f(askStream, head+strings.Join(chunks, ""), "Transfer-Encoding: chunked\r\n")
	for _, r := range p.Requests() {
		equal(t, "end", r.End, simulate.Sent)
	}
}

// sameNumber makes the second answer of a provider look like its first.
func sameNumber(answer string) string {
	return strings.NewReplacer("_000002", "_000001", "cf-ray: 2-", "cf-ray: 1-", "sim-a-2;", "sim-a-1;").Replace(answer)
}

// cut asks and wants exactly these bytes and then a close, or a reset, and the record of a cut.
func cut(t *testing.T, p *simulate.Provider, text, want string, reset bool) {
	t.Helper()
	got, err := talk(t, p, text)
	if reset != errors.Is(err, syscall.ECONNRESET) || !reset && err != nil {
		t.Errorf("read ended with %v", err)
	}
	equal(t, "answer", sameNumber(got), want)
	all := p.Requests()
	for until := time.Now().Add(10 * time.Second); all[len(all)-1].End == simulate.Running && time.Now().Before(until); all = p.Requests() {
		time.Sleep(time.Millisecond) // it notes the end once it has cut
	}
	equal(t, "end", all[len(all)-1].End, simulate.Cut)
}

func isCutBetweenChunks(t *testing.T, p *simulate.Provider) {
	answer, head, chunks := healthyStream(t)
	cut(t, p, askStream, head+framed(chunks[:4]...), false)
	for n, want := range map[int]string{0: head, 1: head + framed(chunks[0]), 99: head + framed(chunks[:len(chunks)-1]...)} {
		if !strings.HasPrefix(answer, want) {
			t.Fatalf("%q is not how %q begins", want, answer)
		}
		p := start(t, simulate.Options{Name: "sim-a", Fault: fmt.Sprintf("cut-boundary=%d", n)})
		cut(t, p, askStream, want, false)
	}
	resp, _ := do(t, p, "POST", "/v1/messages", hello)
	equal(t, "other answers", resp.StatusCode, 200)
}

func isCutInAnEvent(t *testing.T, p *simulate.Provider) {
	_, head, chunks := healthyStream(t)
	part := func(n int) string {
		return framed(chunks[:n]...) + fmt.Sprintf("%x\r\n%s", len(chunks[n]), chunks[n][:len(chunks[n])/2])
	}
	cut(t, p, askStream, head+part(4), false)
	cut(t, start(t, simulate.Options{Name: "sim-a", Fault: "cut-inside=0"}), askStream, head+part(0), false)
	cut(t, start(t, simulate.Options{Name: "sim-a", Fault: "cut-inside=12"}), askStream, head+part(11), false)
	resp, _ := do(t, p, "POST", "/v1/messages", hello)
	equal(t, "other answers", resp.StatusCode, 200)
}

// halfOf is a healthy answer with half of its body.
func halfOf(t *testing.T) string {
	t.Helper()
	head, body, _ := strings.Cut(healthy(t, askHello, `"us"}}`), "\r\n\r\n")
	return head + "\r\n\r\n" + body[:len(body)/2]
}

func isCutInTheBody(t *testing.T, p *simulate.Provider) {
	cut(t, p, askHello, halfOf(t), false)
	answer, _, _ := healthyStream(t)
	got, _ := talkUntil(t, p, askStream, "\r\n0\r\n\r\n")
	equal(t, "stream", sameNumber(got), answer)
}

func isReset(t *testing.T, p *simulate.Provider) {
	_, head, chunks := healthyStream(t)
	cut(t, p, askHello, halfOf(t), true)
	cut(t, p, askStream, head+framed(chunks[:4]...), true)
}

func isResetAnywhere(t *testing.T, p *simulate.Provider) {
	head, body, _ := strings.Cut(healthy(t, askHello, `"us"}}`), "\r\n\r\n")
	whole := head + "\r\nConnection: close\r\n\r\n" + body
	cut(t, p, askHello, whole[:100], true)
	f := func(n int, want string) {
		t.Helper()
		cut(t, start(t, simulate.Options{Name: "sim-a", Fault: fmt.Sprintf("reset-bytes=%d", n)}), askHello, want, true)
	}
	f(0, "")
	f(len(head), whole[:len(head)])
	f(len(whole)-1, whole[:len(whole)-1])
	got, _ := talk(t, start(t, simulate.Options{Name: "sim-a", Fault: "reset-bytes=100000"}), askHello)
	equal(t, "what is shorter", got, whole)
	_, streamHead, chunks := healthyStream(t)
	stream := strings.TrimSuffix(streamHead, "\r\n") + "Connection: close\r\n\r\n" + framed(chunks...)
	n := len(stream) - 30
	cut(t, start(t, simulate.Options{Name: "sim-a", Fault: fmt.Sprintf("reset-bytes=%d", n)}), askStream, stream[:n], true)
}

func isNoHTTP(t *testing.T, p *simulate.Provider) {
	cut(t, p, askHello, "\x00\xffthis is\r\nno HTTP at all\r\n\r\n\x16\x03\x01", false)
}

func takesNoConnection(t *testing.T, p *simulate.Provider) {
	for range 2 {
		if _, err := net.Dial("tcp", strings.TrimPrefix(p.URL(), "http://")); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("dial: %v", err)
		}
		if err := p.SetFault("none"); err != nil {
			t.Fatal(err)
		}
		answers(t, p)
		if err := p.SetFault("refuse"); err != nil {
			t.Fatal(err)
		}
	}
}

// answers asks until the provider answers: it begins to listen a moment after the fault ends.
func answers(t *testing.T, p *simulate.Provider) {
	t.Helper()
	for begun := time.Now(); ; time.Sleep(time.Millisecond) {
		c, err := net.Dial("tcp", strings.TrimPrefix(p.URL(), "http://"))
		if err == nil {
			_ = c.Close()
			break
		}
		if time.Since(begun) > patience {
			t.Fatal(err)
		}
	}
	resp, _ := do(t, p, "POST", "/v1/messages", hello)
	equal(t, "status", resp.StatusCode, 200)
}

func isThereAndDoesNothing(t *testing.T, p *simulate.Provider) {
	c := dial(t, p)
	if _, err := io.WriteString(c, askHello); err != nil {
		t.Fatal(err)
	}
	for begun := time.Now(); p.Connections() == 0 && time.Since(begun) < patience; {
		time.Sleep(time.Millisecond)
	}
	if err := p.SetFault("none"); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(c); len(got) > 0 || !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("read %q, %v", got, err)
	}
	equal(t, "requests", len(p.Requests()), 0)
	equal(t, "connections", p.Connections(), 0)
	answers(t, p)
}

func readsSlowly(t *testing.T, p *simulate.Provider) {
	body := strings.Replace(hello, "hello", strings.Repeat("hello ", 1000), 1)
	begun := time.Now()
	resp, _ := do(t, p, "POST", "/v1/messages", body)
	equal(t, "status", resp.StatusCode, 200)
	if took := time.Since(begun); took < 6*20*time.Millisecond {
		t.Errorf("six KiB took %v", took)
	}
}

func isNeverAnswered(t *testing.T, p *simulate.Provider) {
	cut(t, p, askHello, "", false)
}

func stallsInTheBody(t *testing.T, p *simulate.Provider) {
	_, head, chunks := healthyStream(t)
	f := func(text, want string) {
		t.Helper()
		got, c := talkUntil(t, p, text, want[len(want)-20:])
		equal(t, "answer", sameNumber(got), want)
		equal(t, "open answers", p.Open(), 1)
		_ = c.Close()
		wait(t, p, func(simulate.Request) bool { return p.Open() == 0 })
	}
	f(askHello, halfOf(t))
	f(askStream, head+framed(chunks[:4]...))
	for _, r := range p.Requests() {
		equal(t, "end", r.End, simulate.Gone)
	}
}

func stallsBeforeTheHead(t *testing.T, p *simulate.Provider) {
	c := dial(t, p)
	if _, err := io.WriteString(c, askHello); err != nil {
		t.Fatal(err)
	}
	wait(t, p, ended(simulate.Running))
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	got, _ := io.ReadAll(c)
	equal(t, "answer", string(got), "")
	equal(t, "end", p.Requests()[0].End, simulate.Cut)
}

func isGarbled(t *testing.T, p *simulate.Provider) {
	_, head, chunks := healthyStream(t)
	junk := []string{
		"event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_del\n\n",
		"data: not json, and no event line\n\n",
		": a comment\n\n",
		"event:ping\ndata:{\"type\":\"ping\"}\n\n",
		"event: sunrise\ndata: {\"type\":\"sunrise\"}\n\n",
		"\x00\xff\xfe no field at all\n\n",
		"event: content_block_delta\r\n" +
			"data: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"am \"}}\r\n\r\n",
	}
	got, _ := talkUntil(t, p, askStream, "\r\n0\r\n\r\n")
	equal(t, "answer", got, head+framed(chunks[:4]...)+framed(junk...)+framed(chunks[5:]...)+"0\r\n\r\n")
}

func endsWithAnErrorEvent(t *testing.T, p *simulate.Provider) {
	_, head, chunks := healthyStream(t)
	got, _ := talkUntil(t, p, askStream, "\r\n0\r\n\r\n")
	const data = `{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"},"request_id":"req_sim-a_000001"}`
	equal(t, "answer", got, head+framed(chunks[:4]...)+framed("event: error\ndata: "+data+"\n\n")+"0\r\n\r\n")
}

func endsWithoutStop(t *testing.T, p *simulate.Provider) {
	_, head, chunks := healthyStream(t)
	got, _ := talkUntil(t, p, askStream, "\r\n0\r\n\r\n")
	equal(t, "answer", got, head+framed(chunks[:len(chunks)-1]...)+"0\r\n\r\n")
}

func TestTheValueOfAFaultIsHeeded(t *testing.T) {
	t.Parallel()
	p := start(t, simulate.Options{})
	f := func(mode, header, want string) {
		t.Helper()
		if err := p.Next(mode); err != nil {
			t.Fatal(err)
		}
		resp, _ := do(t, p, "POST", "/v1/messages", hello)
		equal(t, mode, resp.Header.Get(header), want)
	}
	f("429=90s", "retry-after", "90")
	f("429=100ms", "retry-after", "1")
	f("429=0s", "retry-after", "0")
	f("429-window=2m", "anthropic-ratelimit-unified-5h-reset", "1795435320")
	f("latency=1ms", "retry-after", "")
}

func TestLatencyAndPaceHoldAnAnswerBack(t *testing.T) {
	t.Parallel()
	f := func(o simulate.Options, atLeast time.Duration) {
		t.Helper()
		p := start(t, o)
		begun := time.Now()
		talkUntil(t, p, askStream, "\r\n0\r\n\r\n")
		if took := time.Since(begun); took < atLeast {
			t.Errorf("%+v: the answer took %v, want %v or more", o, took, atLeast)
		}
	}
	f(simulate.Options{Latency: 50 * time.Millisecond}, 50*time.Millisecond)
	f(simulate.Options{Latency: time.Hour, Fault: "latency=50ms"}, 50*time.Millisecond)
	f(simulate.Options{Pace: 5 * time.Millisecond}, 55*time.Millisecond) // 12 events
	f(simulate.Options{Pace: time.Hour, Fault: "slow=5ms"}, 55*time.Millisecond)
}

func TestAFaultThatIsNoneIsExplained(t *testing.T) {
	t.Parallel()
	p := start(t, simulate.Options{})
	f := func(mode, want string) {
		t.Helper()
		for _, err := range []error{p.SetFault(mode), p.Next("429", mode)} {
			if err == nil || err.Error() != "simulate: fault "+want {
				t.Errorf("%q: %v\nwant %s", mode, err, want)
			}
		}
	}
	f("429-windw", `"429-windw": no such mode, did you mean "429-window"?`)
	f("stal=3", `"stal=3": no such mode, did you mean "stall"?`)
	f("529=1", `"529=1": 529 takes no value`)
	f("latency", `"latency": want latency=DUR, a duration like 250ms or 2s`)
	f("slow=5", `"slow=5": want slow=DUR, a duration like 250ms or 2s`)
	f("slow=-5s", `"slow=-5s": want slow=DUR, a duration like 250ms or 2s`)
	f("stall=x", `"stall=x": want stall=N, a number`)
	f("stall=-1", `"stall=-1": want stall=N, a number`)
	if err := p.Next("refuse"); err == nil || err.Error() != `simulate: fault "refuse": it is one of connections and can only stand` {
		t.Error(err)
	}
	if err := p.SetFault("earthquake"); err == nil || !strings.Contains(err.Error(), "want one of none, latency, slow, 401,") {
		t.Errorf("earthquake: %v", err)
	}
	resp, _ := do(t, p, "POST", "/v1/messages", hello)
	equal(t, "status after wrong modes", resp.StatusCode, 200)
}
