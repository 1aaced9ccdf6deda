package main

import (
	"bufio"
	"bytes"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"

	"sluice/engine/keys"
	"sluice/proxy/simulate"
	"sluice/scripts"
)

var rewriteChats = flag.Bool("update-openai", false, "write down in testdata/exchanges/openai what goes upstream and what comes back")

const chats = "../../testdata/exchanges/openai"

// chat is one exchange with a simulated OpenAI in one language: a client's request, what the provider sees, what that answers, and what
// the client gets. It has an upstream of its own, which nothing else makes cool.
type chatExchange struct {
	file, name string // name is also that of the principal
	archive    *txtar.Archive
	provider   *simulate.Provider
}

func TestChatsWithOpenAI(t *testing.T) {
	files, err := filepath.Glob(chats + "/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no exchanges in %s: %v", chats, err)
	}
	var all []*chatExchange
	for _, file := range files {
		for _, ext := range []string{".star", ".lua"} {
			c := &chatExchange{file: file, name: strings.TrimSuffix(filepath.Base(file), ".txtar") + ext}
			if c.archive, err = txtar.ParseFile(file); err != nil {
				t.Fatal(err)
			}
			all = append(all, c)
		}
	}
	l := serveChats(t, all)
	for _, c := range all {
		t.Run(c.name, func(t *testing.T) { c.run(t, l) })
	}
}

// serveChats serves with the bundled scripts, and with an upstream and a principal for each of all.
func serveChats(t *testing.T, all []*chatExchange) *live {
	t.Helper()
	upstream, err := os.ReadFile(chats + "/upstream.yaml")
	if err != nil {
		t.Fatal(err)
	}
	text := "listen: 127.0.0.1:0\nadmin: {listen: 127.0.0.1:0}\nscripts: ./scripts\ndata: ./data\nbudgets: {time: 10s}\nupstreams:\n"
	principals := "principals:\n"
	for _, c := range all {
		if c.provider, err = simulate.Start(simulate.Options{Kind: simulate.KindOpenAI, Key: "token"}); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.provider.Close() })
		its := strings.ReplaceAll(string(upstream), ".star", filepath.Ext(c.name))
		text += fmt.Sprintf("  - name: %s\n    base_url: %s\n    %s\n", c.name, c.provider.URL(), strings.TrimSpace(strings.ReplaceAll(its, "\n", "\n    ")))
		principals += fmt.Sprintf("  - {name: %s, keys: [%q], upstreams: [%s]}\n", c.name, keys.Sum(liveKey+c.name), c.name)
	}
	dir := t.TempDir()
	l := &live{scripts: filepath.Join(dir, "scripts"), client: &http.Client{}}
	if err := os.CopyFS(l.scripts, scripts.FS); err != nil {
		t.Fatal(err)
	}
	config := filepath.Join(dir, "sluice.yaml")
	if err := os.WriteFile(config, []byte(text+principals), 0o644); err != nil {
		t.Fatal(err)
	}
	l.serve(t, newBuilder(config), io.Discard)
	return l
}

func (c *chatExchange) part(name string) string {
	for _, f := range c.archive.Files {
		if f.Name == name {
			return string(f.Data)
		}
	}
	return ""
}

func (c *chatExchange) run(t *testing.T, l *live) {
	if answer := c.part("answer"); answer != "" {
		head, body, _ := strings.Cut(answer, "\n\n")
		status, kind := 0, ""
		if _, err := fmt.Sscanf(head, "%d\ncontent-type: %s", &status, &kind); err != nil {
			t.Fatalf("%s: the answer begins with %q: %v", c.file, head, err)
		}
		c.provider.NextAnswer(status, kind, strings.SplitAfter(strings.TrimSuffix(body, "\n"), "\n\n")...)
	}
	got := steadyChat(l.say(t, liveKey+c.name, c.part("client")))
	saw := ""
	for _, r := range c.provider.Requests() {
		saw += steadyChat(shownRequest(&r))
	}
	if *rewriteChats {
		c.rewrite(t, saw, got)
	}
	if want := c.part("upstream"); saw != want {
		t.Errorf("%s: the upstream saw\n%swant\n%s", c.file, saw, want)
	}
	if want := c.part("got"); got != want {
		t.Errorf("%s: the client got\n%swant\n%s", c.file, got, want)
	}
}

func (c *chatExchange) rewrite(t *testing.T, saw, got string) {
	files := []txtar.File{{Name: "client", Data: []byte(c.part("client"))}, {Name: "upstream", Data: []byte(saw)}}
	if answer := c.part("answer"); answer != "" {
		files = append(files, txtar.File{Name: "answer", Data: []byte(answer)})
	}
	c.archive.Files = append(files, txtar.File{Name: "got", Data: []byte(got)})
	if err := os.WriteFile(c.file, txtar.Format(c.archive), 0o644); err != nil {
		t.Fatal(err)
	}
}

// say sends a client's request over a connection of its own and returns all that comes back.
func (l *live) say(t *testing.T, key, request string) string {
	t.Helper()
	head, body, _ := strings.Cut(strings.TrimSuffix(request, "\n"), "\n\n")
	line, headers, _ := strings.Cut(head, "\n")
	wire := line + " HTTP/1.1\r\nhost: sluice\r\nconnection: close\r\nx-sluice-key: " + key + fmt.Sprintf("\r\ncontent-length: %d\r\n", len(body))
	for h := range strings.Lines(headers) {
		wire += strings.TrimSpace(h) + "\r\n"
	}
	conn, err := net.Dial("tcp", l.listen[0].Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, wire+"\r\n"+body); err != nil {
		t.Fatal(err)
	}
	all, err := io.ReadAll(conn)
	if err != nil {
		t.Fatal(err)
	}
	return shownAnswer(all)
}

func shownAnswer(wire []byte) string {
	head, body, _ := bytes.Cut(wire, []byte("\r\n\r\n"))
	if bytes.Contains(bytes.ToLower(head), []byte("transfer-encoding: chunked")) {
		whole, err := io.ReadAll(httputil.NewChunkedReader(bufio.NewReader(bytes.NewReader(body))))
		if body = whole; err != nil {
			body = append(body, "\n(cut off)"...)
		}
	}
	return strings.TrimPrefix(strings.ReplaceAll(string(head), "\r\n", "\n"), "HTTP/1.1 ") + "\n\n" + string(body) + "\n"
}

func shownRequest(r *simulate.Request) string {
	line := r.Method + " " + r.Path
	if r.Query != "" {
		line += "?" + r.Query
	}
	for _, h := range r.Headers {
		line += "\n" + h.Name + ": " + h.Value
	}
	return line + "\n\n" + string(r.Body) + "\n"
}

// varyingInChats is what differs from run to run, and what stands for it.
var varyingInChats = []struct {
	pattern *regexp.Regexp
	with    string
}{
	{regexp.MustCompile(`(?mi)^date: .*`), "date: DATE"},
	{regexp.MustCompile(`127\.0\.0\.1:[0-9]+`), "HOST"},
	{regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}`), "UUID"},
	{regexp.MustCompile(`\.(star|lua)\b`), ""},
}

func steadyChat(text string) string {
	for _, v := range varyingInChats {
		text = v.pattern.ReplaceAllString(text, v.with)
	}
	return text
}

// Bug 10 of such translations: characters that two reads share, CR LF at the ends of lines, "data:" without a space.
func TestChatsComeWholeHoweverTheirBytesDo(t *testing.T) {
	const chunk = `data:{"id":"chatcmpl-1","choices":[{"index":0,"delta":{"content":"%s"},"finish_reason":null}]}` + "\r\n\r\n"
	text := "Grüße, 世界 👋"
	wire := fmt.Sprintf(chunk, "So: ") + fmt.Sprintf(chunk, text) + `data:{"id":"chatcmpl-1","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}` +
		"\r\n\r\ndata:[DONE]\r\n\r\n"
	var bytewise []string
	for i := range len(wire) {
		bytewise = append(bytewise, wire[i:i+1])
	}
	var all []*chatExchange
	for _, ext := range []string{".star", ".lua"} {
		all = append(all, &chatExchange{name: "bytes" + ext})
	}
	l := serveChats(t, all)
	for _, c := range all {
		c.provider.NextAnswer(200, "text/event-stream", bytewise...)
		got := l.say(t, liveKey+c.name, "POST /v1/messages\nanthropic-version: 2023-06-01\n\n"+streamQuestion)
		if !strings.Contains(got, `{"type":"text_delta","text":"`+text+`"}`) || strings.Count(got, "event: message_start\n") != 1 ||
			!strings.Contains(got, "event: message_stop\n") || strings.Contains(got, "event: error\n") {
			t.Errorf("%s: got %s", c.name, got)
		}
	}
}

func TestOpenAIServesNothingButMessages(t *testing.T) {
	c := &chatExchange{name: "paths.star"}
	l := serveChats(t, []*chatExchange{c})
	f := func(line, body string, wants ...string) {
		t.Helper()
		got := l.say(t, liveKey+c.name, line+"\nanthropic-version: 2023-06-01\n\n"+body)
		for _, want := range wants {
			if !strings.Contains(got, want) {
				t.Errorf("%s: got %s, want %q in it", line, got, want)
			}
		}
	}
	f("POST /v1/messages/count_tokens", plainQuestion, "404 Not Found", "x-sluice-error: path_not_served")
	f("GET /v1/models", "", "200 OK", `"id":"claude-opus-5"`, `"id":"claude-sonnet-4-5"`) // from the config
	if n := len(c.provider.Requests()); n != 0 {
		t.Errorf("the provider saw %d requests, want none", n)
	}
}
