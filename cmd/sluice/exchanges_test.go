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

	"github.com/rogpeppe/go-internal/txtar"

	"sluice/engine/keys"
	"sluice/proxy/simulate"
	"sluice/scripts"
)

var rewrite = flag.Bool("update", false, "write down in testdata/exchanges what goes upstream and what comes back")

// golden is one exchange of testdata/exchanges in one language: a client's request, what the provider sees, what that answers, and what
// the client gets. It has an upstream of its own, which nothing else makes cool.
type golden struct {
	file, name string // name is also that of the principal
	archive    *txtar.Archive
	provider   *simulate.Provider
}

// Every file below testdata/exchanges/KIND is run with the dialect in Starlark and in Lua, before the provider and with the upstream
// that upstream.yaml there tells of. The credential counts as in the real one.
func TestExchanges(t *testing.T) {
	kinds, err := filepath.Glob("../../testdata/exchanges/*/upstream.yaml")
	if err != nil || len(kinds) == 0 {
		t.Fatalf("no kinds: %v", err)
	}
	for _, upstream := range kinds {
		dir := filepath.Dir(upstream)
		t.Run(filepath.Base(dir), func(t *testing.T) {
			t.Parallel() // a gateway takes its time to end
			for _, ext := range []string{".star", ".lua"} {
				t.Run(ext[1:], func(t *testing.T) {
					t.Parallel()
					l, all := startExchanges(t, dir, ext)
					for _, g := range all {
						t.Run(g.name, func(t *testing.T) { g.run(t, l) })
					}
				})
			}
		})
	}
}

func startExchanges(t *testing.T, dir, ext string) (*live, []*golden) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.txtar"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no exchanges in %s: %v", dir, err)
	}
	text, err := os.ReadFile(filepath.Join(dir, "upstream.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	kind := strings.TrimPrefix(strings.SplitN(string(text), "\n", 2)[0], "# simulate: ")
	config := "listen: 127.0.0.1:0\nadmin: {listen: 127.0.0.1:0}\nscripts: ./scripts\ndata: ./data\nbudgets: {time: 10s}\nupstreams:\n"
	principals := "principals:\n"
	var all []*golden
	for _, file := range files {
		g := &golden{file: file, name: strings.TrimSuffix(filepath.Base(file), ".txtar")}
		if g.archive, err = txtar.ParseFile(file); err != nil {
			t.Fatal(err)
		}
		if g.provider, err = simulate.Start(simulate.Options{Kind: kind, Key: "token", Secret: secretOf(string(text))}); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { g.provider.Close() })
		its := strings.ReplaceAll(strings.ReplaceAll(string(text), ".star", ext), "\n", "\n    ")
		config += fmt.Sprintf("  - name: %s\n    base_url: %s\n    %s\n", g.name, g.provider.URL(), strings.TrimSpace(its))
		principals += fmt.Sprintf("  - {name: %s, keys: [%q], upstreams: [%s]}\n", g.name, keys.Sum(liveKey+g.name), g.name)
		all = append(all, g)
	}
	return serveBundled(t, config+principals), all
}

// secretOf is the secret that the provider checks signatures with, "" where the upstream sends a token.
func secretOf(upstream string) string {
	if strings.Contains(upstream, "secret_key: secret") {
		return "secret"
	}
	return ""
}

// serveBundled serves with a config and the bundled scripts.
func serveBundled(t *testing.T, text string) *live {
	t.Helper()
	dir := t.TempDir()
	l := &live{scripts: filepath.Join(dir, "scripts"), client: &http.Client{}}
	if err := os.CopyFS(l.scripts, scripts.FS); err != nil {
		t.Fatal(err)
	}
	config := filepath.Join(dir, "sluice.yaml")
	if err := os.WriteFile(config, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	l.serve(t, newBuilder(config), io.Discard)
	return l
}

// serveTwins serves the bundled scripts with an upstream for each language, which is also the name of its principal. says is the rest of what
// the config says of it, with %s for the extension of scripts.
func serveTwins(t *testing.T, o simulate.Options, says string) (*live, map[string]*simulate.Provider) {
	t.Helper()
	providers := map[string]*simulate.Provider{}
	text := "listen: 127.0.0.1:0\nadmin: {listen: 127.0.0.1:0}\nscripts: ./scripts\ndata: ./data\nbudgets: {time: 10s}\nupstreams:\n"
	principals := "principals:\n"
	for _, ext := range []string{"star", "lua"} {
		p, err := simulate.Start(o)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { p.Close() })
		providers[ext] = p
		text += fmt.Sprintf("  - {name: %s, base_url: %q, "+says+"}\n", ext, p.URL(), ext)
		principals += fmt.Sprintf("  - {name: %s, keys: [%q], upstreams: [%s], paths: [/v1/*]}\n", ext, keys.Sum(liveKey+ext), ext)
	}
	return serveBundled(t, text+principals), providers
}

func (g *golden) part(name string) string {
	for _, f := range g.archive.Files {
		if f.Name == name {
			return string(f.Data)
		}
	}
	return ""
}

func (g *golden) run(t *testing.T, l *live) {
	if answer := g.part("answer"); answer != "" {
		head, body := halves(answer)
		lines := strings.Split(head, "\n")
		var status int
		if _, err := fmt.Sscan(lines[0], &status); err != nil {
			t.Fatalf("%s: an answer begins with %q, want its status", g.file, lines[0])
		}
		var headers []simulate.Header
		for _, line := range lines[1:] {
			name, value, _ := strings.Cut(line, ": ")
			headers = append(headers, simulate.Header{Name: name, Value: value})
		}
		g.provider.NextReply(status, headers, pieces(head, body)...)
	}
	got := steady(l.exchange(t, liveKey+g.name, g.part("client")))
	saw := ""
	for _, r := range g.provider.Requests() {
		saw += steady(showRequest(&r))
	}
	if *rewrite {
		g.rewrite(t, saw, got)
	}
	if want := g.part("upstream"); saw != want {
		t.Errorf("%s: the upstream saw\n%swant\n%s", g.file, saw, want)
	}
	if want := g.part("got"); got != want {
		t.Errorf("%s: the client got\n%swant\n%s", g.file, got, want)
	}
}

func (g *golden) rewrite(t *testing.T, saw, got string) {
	files := g.archive.Files[:0:0]
	for _, f := range g.archive.Files {
		if f.Name != "upstream" && f.Name != "got" {
			files = append(files, f)
		}
	}
	at := min(1, len(files)) // behind "client"
	files = append(files[:at:at], append([]txtar.File{{Name: "upstream", Data: []byte(saw)}}, files[at:]...)...)
	g.archive.Files = append(files, txtar.File{Name: "got", Data: []byte(got)})
	if err := os.WriteFile(g.file, txtar.Format(g.archive), 0o644); err != nil {
		t.Fatal(err)
	}
}

// halves are the head of a message, without its last line end, and its body, without the one that a file ends with.
func halves(message string) (head, body string) {
	head, body, _ = strings.Cut(message, "\n\n")
	return strings.TrimSuffix(head, "\n"), strings.TrimSuffix(body, "\n")
}

// exchange sends a client's request over a connection of its own and returns all that comes back.
func (l *live) exchange(t *testing.T, key, request string) string {
	t.Helper()
	head, body := halves(request)
	line, headers, _ := strings.Cut(head, "\n")
	wire := line + " HTTP/1.1\r\nhost: sluice\r\nconnection: close\r\nx-sluice-key: " + key + fmt.Sprintf("\r\ncontent-length: %d\r\n", len(body))
	for h := range strings.Lines(headers) {
		wire += strings.TrimSpace(h) + "\r\n"
	}
	c, err := net.Dial("tcp", l.listen[0].Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := io.WriteString(c, wire+"\r\n"+body); err != nil {
		t.Fatal(err)
	}
	all, err := io.ReadAll(c)
	if err != nil {
		t.Fatal(err)
	}
	return showAnswer(t, all)
}

func showAnswer(t *testing.T, wire []byte) string {
	t.Helper()
	head, body, _ := bytes.Cut(wire, []byte("\r\n\r\n"))
	if bytes.Contains(bytes.ToLower(head), []byte("transfer-encoding: chunked")) {
		whole, err := io.ReadAll(httputil.NewChunkedReader(bufio.NewReader(bytes.NewReader(body))))
		body = whole
		if err != nil {
			body = append(body, "\n(cut off)"...)
		}
	}
	return show(strings.TrimPrefix(strings.ReplaceAll(string(head), "\r\n", "\n"), "HTTP/1.1 "), body)
}

func showRequest(r *simulate.Request) string {
	line := r.Method + " " + r.Path
	if r.Query != "" {
		line += "?" + r.Query
	}
	for _, h := range r.Headers {
		line += "\n" + h.Name + ": " + h.Value
	}
	return show(line, r.Body)
}

func show(head string, body []byte) string {
	if isFramed.MatchString(head) {
		body = []byte(showFrames(body))
	}
	return head + "\n\n" + string(body) + "\n"
}

// varying is what differs from run to run, and what stands for it.
var varying = []struct {
	pattern *regexp.Regexp
	with    string
}{
	{regexp.MustCompile(`(?mi)^(date|x-amz-date): .*`), "$1: DATE"},
	{regexp.MustCompile(`/[0-9]{8}/`), "/DATE/"},
	{regexp.MustCompile(`Signature=[0-9a-f]{64}`), "Signature=SIGNATURE"},
	{regexp.MustCompile(`127\.0\.0\.1:[0-9]+`), "HOST"},
	{regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}`), "UUID"},
}

func steady(text string) string {
	for _, v := range varying {
		text = v.pattern.ReplaceAllString(text, v.with)
	}
	return text
}
