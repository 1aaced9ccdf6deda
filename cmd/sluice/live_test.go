package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"sluice/engine"
	"sluice/engine/keys"
	"sluice/proxy/simulate"
)

// live is a gateway that serves from files, before three simulated upstreams named a, b and c.
type live struct {
	*gateway
	scripts string
	client  *http.Client
}

const liveKey = "sk-sluice-live"

// chosen is a filter that keeps one upstream, in both languages.
var chosen = map[string]string{
	".star": "def filter(ctx, principal, candidates):\n    return [c for c in candidates if c.name == %q]\n",
	".lua":  "function filter(ctx, principal, candidates)\n  local kept = {}\n  for _, c in ipairs(candidates) do\n    if c.name == %q then kept[#kept + 1] = c end\n  end\n  return kept\nend\n",
}

func startLive(t testing.TB, ext string) *live {
	t.Helper()
	dir := t.TempDir()
	l := &live{scripts: filepath.Join(dir, "scripts"), client: &http.Client{Timeout: 20 * time.Second}}
	l.client.Transport = &http.Transport{MaxIdleConnsPerHost: 64}
	l.write(t, "filters/choose"+ext, fmt.Sprintf(chosen[ext], "a"))
	text := threeProviders(t) + fmt.Sprintf("filters:\n  - {name: choose, script: filters/choose%s}\n", ext)
	config := filepath.Join(dir, "sluice.yaml")
	if err := os.WriteFile(config, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	l.serve(t, newBuilder(config), io.Discard)
	return l
}

// threeProviders starts them, and is a config of all but filters.
func threeProviders(t testing.TB) string {
	t.Helper()
	var text strings.Builder
	text.WriteString("listen: 127.0.0.1:0\nadmin: {listen: 127.0.0.1:0}\nscripts: ./scripts\ndata: ./data\nbudgets: {time: 10s}\n" +
		"upstreams:\n")
	for _, name := range []string{"a", "b", "c"} {
		p, err := simulate.Start(simulate.Options{Name: name, Keep: -1})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { p.Close() })
		fmt.Fprintf(&text, "  - {name: %s, kind: anthropic_direct, base_url: %q, signer: {type: anthropic_key, key: k}}\n", name, p.URL())
	}
	fmt.Fprintf(&text, "principals:\n  - {name: p, keys: [%q]}\n", keys.Sum(liveKey))
	return text.String()
}

// serve brings the gateway up and writes its log to log.
func (l *live) serve(t testing.TB, b *builder, log io.Writer) {
	t.Helper()
	var err error
	l.gateway = &gateway{out: newConsole(io.Discard, log), world: &engine.World{}}
	if l.cfg, err = readConfig(b); err != nil {
		t.Fatal(err)
	}
	if err := l.start(b); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- l.run(ctx) }()
	t.Cleanup(func() {
		l.client.CloseIdleConnections()
		stop()
		if err := <-done; err != nil {
			t.Errorf("serve: %v", err)
		}
		l.close()
	})
}

// write puts a file in place as an editor does: beside it, then renamed over it.
func (l *live) write(t testing.TB, name, text string) {
	t.Helper()
	to := filepath.Join(l.scripts, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to+".new", []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(to+".new", to); err != nil {
		t.Fatal(err)
	}
}

// ask sends one request and returns the upstream that answered.
func (l *live) ask() (string, error) {
	req, err := http.NewRequest("POST", "http://"+l.listen[0].Addr().String()+"/v1/messages",
		strings.NewReader(`{"model":"claude-sonnet-4-5","max_tokens":16,"messages":[{"role":"user","content":"hi"}]}`))
	if err != nil {
		return "", err
	}
	req.Header.Set("x-api-key", liveKey)
	req.Header.Set("anthropic-version", "2023-06-01")
	resp, err := l.client.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != 200 {
		return "", fmt.Errorf("status %d: %s: %v", resp.StatusCode, body, err)
	}
	_, rest, _ := bytes.Cut(body, []byte("I am "))
	return string(rest[:1]), nil
}

// await asks until name answers.
func (l *live) await(t testing.TB, name string) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; {
		got, err := l.ask()
		if err != nil {
			t.Fatal(err)
		}
		if got == name {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s answers, want %s", got, name)
		}
	}
}

func TestAnEditInEitherLanguageDecidesTheNextRequest(t *testing.T) {
	for ext, text := range chosen {
		l := startLive(t, ext)
		l.await(t, "a")
		for _, name := range []string{"b", "c", "a"} {
			l.write(t, "filters/choose"+ext, fmt.Sprintf(text, name))
			l.await(t, name)
		}
	}
}

// Every reload is real: new bytes, admitted, published, while four clients ask all the time.
func TestNoRequestFailsThroughAThousandReloads(t *testing.T) {
	const clients, reloads = 4, 1000
	l := startLive(t, ".star")
	var stop atomic.Bool
	var asked atomic.Int64
	var wait sync.WaitGroup
	for range clients {
		wait.Add(1)
		go func() {
			defer wait.Done()
			for !stop.Load() {
				if _, err := l.ask(); err != nil {
					t.Errorf("request %d: %v", asked.Load(), err)
					return
				}
				asked.Add(1)
			}
		}()
	}
	for i := range reloads {
		l.write(t, "filters/choose.star", fmt.Sprintf(chosen[".star"], string("abc"[i%3]))+fmt.Sprintf("# %d\n", i))
		if _, err := l.loop.Reload(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
	stop.Store(true)
	wait.Wait()
	if got := l.loop.Status().Generation; got < reloads {
		t.Errorf("%d generations after %d reloads", got, reloads)
	}
	t.Logf("%d requests through %d reloads", asked.Load(), reloads)
}

// From a rename to the first request that the new version decided.
func BenchmarkRenameToDecision(b *testing.B) {
	for _, ext := range []string{".star", ".lua"} {
		b.Run(ext[1:], func(b *testing.B) {
			l := startLive(b, ext)
			l.await(b, "a")
			var took []time.Duration
			for i := 0; b.Loop(); i++ {
				name := string("bca"[i%3])
				text := fmt.Sprintf(chosen[ext], name)
				start := time.Now()
				l.write(b, "filters/choose"+ext, text)
				l.await(b, name)
				took = append(took, time.Since(start))
			}
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "p50-ms")
			b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "p99-ms")
		})
	}
}
