package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"sluice/engine"
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
