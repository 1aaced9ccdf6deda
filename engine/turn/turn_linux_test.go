package turn_test

import (
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"

	"sluice/engine/turn"
)

// TestABurstLeavesFewPipes: a call that yields alone keeps one for the next.
func TestABurstLeavesFewPipes(t *testing.T) {
	before := pipes(t)
	var all sync.WaitGroup
	for range 500 {
		all.Go(func() {
			for range 20 {
				turn.Yield()
			}
		})
	}
	all.Wait()
	if now := pipes(t); now > before+2*runtime.NumCPU() {
		t.Errorf("%d ends of pipes are open, and were %d before, want two more for each processor at most", now, before)
	}
}

func pipes(t *testing.T) (n int) {
	t.Helper()
	files, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if to, _ := os.Readlink("/proc/self/fd/" + f.Name()); strings.HasPrefix(to, "pipe:") {
			n++
		}
	}
	return n
}
