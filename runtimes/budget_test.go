package runtimes_test

import (
	"testing"
	"time"

	"sluice/engine"
	"sluice/runtimes"
)

func TestAnOverrunNamesTheSettingsAsTheyAreConfigured(t *testing.T) {
	b := engine.Budget{Time: 50 * time.Millisecond, Steps: 2_000_000, TimePerMiB: 200 * time.Millisecond, StepsPerMiB: 20_000_000}
	f := func(b engine.Budget, body int, wantTime, wantSteps string) {
		t.Helper()
		if got := runtimes.TimeOver(b, body); got != "the call took longer than budgets.time: "+wantTime {
			t.Error(got)
		}
		if got := runtimes.StepsOver(b, body); got != "the call took more steps than budgets.steps: "+wantSteps {
			t.Error(got)
		}
	}
	f(b, 0, "50ms", "2000000")
	f(b, 3<<20, "50ms and per_mib.time: 200ms for 3.0 MiB", "2000000 and per_mib.steps: 20000000 for 3.0 MiB")
	f(b, 73, "50ms and per_mib.time: 200ms for 73 bytes", "2000000 and per_mib.steps: 20000000 for 73 bytes")
	f(engine.Budget{Time: b.Time, Steps: b.Steps}, 3<<20, "50ms", "2000000")
	m := engine.Budget{Memory: 64 << 20, MemoryPerMiB: 32 << 20}
	if got := runtimes.MemoryOver(m, 3<<20); got != "the call allocated more than budgets.memory: 64.0 MiB and per_mib.memory: 32.0 MiB for 3.0 MiB" {
		t.Error(got)
	}
	if got := m.ForBody(2 << 20).Memory; got != 128<<20 {
		t.Errorf("2 MiB of body make the budget %d bytes, want %d", got, 128<<20)
	}
}
