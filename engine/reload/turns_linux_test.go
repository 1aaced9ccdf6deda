package reload_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"sluice/engine/reload"
)

// writes is how many writes this process has made: one for each time that it let others run.
func writes(t *testing.T) (n int) {
	t.Helper()
	text, err := os.ReadFile("/proc/self/io")
	if err != nil {
		t.Fatal(err)
	}
	_, after, _ := strings.Cut(string(text), "syscw: ")
	if _, err := fmt.Sscan(after, &n); err != nil {
		t.Fatalf("%v in %q", err, text)
	}
	return n
}

func TestAScanOfManyFilesLetsOthersRun(t *testing.T) {
	const files, least = 320, 10
	r := newRig(t)
	for i := range files {
		r.write(fmt.Sprintf("scripts/%d.star", i), "a")
	}
	before := writes(t)
	if _, err := reload.Scan(r.path("scripts")); err != nil {
		t.Fatal(err)
	}
	if n := writes(t) - before; n < least {
		t.Errorf("a scan of %d files lets others run %d times, want at least %d", files, n, least)
	}
}
