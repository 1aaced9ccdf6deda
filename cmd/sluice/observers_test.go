package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"sluice/engine"
	"sluice/engine/ledger"
)

// slow is an observer that takes a while, in both languages.
var slow = map[string]string{
	".star": "def observe(event):\n    for i in range(20000):\n        pass\n",
	".lua":  "function observe(event)\n  for i = 1, 20000 do end\nend\n",
}

// What observers have before them delays no edit, and is observed after it, or dropped and counted where that takes longer than a second.
func TestAnEditWaitsForNoObserver(t *testing.T) {
	const events = 500
	for ext, text := range slow {
		t.Run(ext[1:], func(t *testing.T) {
			dir := t.TempDir()
			l := &live{scripts: filepath.Join(dir, "scripts"), client: &http.Client{Timeout: 20 * time.Second}}
			l.write(t, "observers/slow"+ext, text)
			config := filepath.Join(dir, "sluice.yaml")
			if err := os.WriteFile(config, fmt.Appendf(nil, "%sobservers:\n  - {name: slow, script: observers/slow%s}\n", threeProviders(t), ext), 0o644); err != nil {
				t.Fatal(err)
			}
			b := newBuilder(config)
			meter, early := b.meters.For(engine.SlotObserver, engine.GlobalSlot("slow")), int64(0)
			t.Cleanup(func() { // once the gateway has ended
				if seen, dropped := meter.Calls.Load(), meter.Dropped.Load(); seen+dropped != events || seen <= early {
					t.Errorf("%d events were observed, %d of them before the edit, and %d dropped, want %d, some of them after it", seen, early, dropped, events)
				}
			})
			l.serve(t, b, io.Discard)
			g := l.world.Lease()
			for range events {
				g.Observers.Emit(engine.RequestStarted{})
			}
			g.Release()
			l.write(t, "observers/slow"+ext, text+"\n\n")
			if out, err := l.loop.Reload(context.Background()); err != nil || out.Generation != 2 || out.Err != nil {
				t.Fatalf("the edit is not live: %+v, %v", out, err)
			}
			if early = meter.Calls.Load(); early == events {
				t.Error("the reload has waited until all was observed")
			}
		})
	}
}

// A request that outlives the drain may end a generation at the very moment at which the gateway waits for others.
func TestAGenerationMayEndWhileTheGatewayDoes(t *testing.T) {
	for range 20000 {
		var o observing
		var late sync.WaitGroup
		o.finish(nil)
		for range 4 {
			late.Go(func() { o.finish(nil) })
		}
		o.wait()
		late.Wait()
	}
}

// slower is an observer that takes some 10 ms for each event, in both languages.
var slower = map[string]string{
	".star": strings.Replace(slow[".star"], "20000", "400000", 1),
	".lua":  strings.Replace(slow[".lua"], "20000", "400000", 1),
}

// A gateway ends soon after its drain, with all rows of its ledger, whatever its observers have before them.
func TestSlowObserversKeepNoGatewayFromEnding(t *testing.T) {
	const requests = 700 // of three events each, which take some 15 seconds
	for ext, text := range slower {
		t.Run(ext[1:], func(t *testing.T) {
			scripts := t.TempDir()
			if err := os.WriteFile(filepath.Join(scripts, "slow"+ext), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
			cmd := gatewayProcess(t, oneUpstream+onePrincipal+"budgets: {time: 1s, steps: 1000000000}\ntimeouts: {drain: 1s}\n"+
				fmt.Sprintf("scripts: %s\nobservers: [{script: slow%s}]\n", scripts, ext))
			said, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			url, _ := untilReady(t, said)
			for range requests {
				resp, err := http.Post(url+"/v1/messages", "application/json", strings.NewReader("{}"))
				if err != nil {
					t.Fatal(err)
				}
				io.Copy(io.Discard, resp.Body)
				resp.Body.Close()
			}
			cmd.Process.Signal(syscall.SIGTERM)
			begun := time.Now()
			if err := cmd.Wait(); err != nil {
				t.Errorf("it ended with %v, want in order", err)
			}
			if took := time.Since(begun); took > 8*time.Second {
				t.Errorf("it ended after %v, want some 3 seconds", took)
			}
			if got := rowsBelow(t, filepath.Dir(cmd.Args[len(cmd.Args)-1])); got != requests {
				t.Errorf("%d rows, want %d", got, requests)
			}
		})
	}
}

// rowsBelow counts the rows of a ledger in the data directory of a config's folder.
func rowsBelow(t *testing.T, dir string) (n int) {
	t.Helper()
	book, err := ledger.Open(ledger.Options{Dir: filepath.Join(dir, "data", "ledger"), ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := book.Scan(time.Time{}, func(*engine.Record) bool { n++; return true }); err != nil {
		t.Fatal(err)
	}
	return n
}
