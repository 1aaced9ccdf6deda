package runtimes_test

import (
	"bytes"
	"errors"
	"fmt"
	"testing"

	"sluice/runtimes"
)

// A file that is asked for now and then is compiled once, however many versions of others come and go; one that nobody asked for while
// many others were, or some large ones, is compiled again.
func TestProgramsAreKeptWhileTheyAreUsed(t *testing.T) {
	f := func(others, size int) {
		t.Helper()
		var programs runtimes.Programs[string]
		compiled := map[string]int{}
		ask := func(path string, src []byte) {
			t.Helper()
			got, err := programs.Compile(path, src, func() (string, error) {
				compiled[path]++
				return path + string(src[:8]), nil
			})
			if want := path + string(src[:8]); got != want || err != nil {
				t.Fatalf("%q, %v, want %q", got, err, want)
			}
		}
		idle, busy := []byte("the idle"), []byte("the busy")
		ask("idle", idle)
		for i := range others {
			ask("busy", busy)
			ask("other", fmt.Appendf(nil, "%08d%s", i, bytes.Repeat([]byte(" "), size-8)))
		}
		ask("idle", idle)
		if compiled["busy"] != 1 || compiled["idle"] != 2 || compiled["other"] != others {
			t.Errorf("%d others of %d bytes: compiled %v, want busy once, idle twice", others, size, compiled)
		}
	}
	f(1100, 8)
	f(40, 256<<10)
}

func TestWhatDoesNotCompileIsTriedAgain(t *testing.T) {
	var programs runtimes.Programs[string]
	for _, want := range []error{errors.New("no"), nil} {
		if _, err := programs.Compile("a", nil, func() (string, error) { return "", want }); err != want {
			t.Errorf("got %v, want %v", err, want)
		}
	}
}
