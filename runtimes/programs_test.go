package runtimes_test

import (
	"errors"
	"runtime"
	"testing"

	"sluice/runtimes"
)

// program has a pointer, so that it is an allocation of its own.
type program struct{ path string }

// A file is compiled once for all who have it, and again when nobody has it any more.
func TestAProgramIsKnownWhileSomebodyHasIt(t *testing.T) {
	var programs runtimes.Programs[program]
	compiled := 0
	ask := func(path, src string) *program {
		t.Helper()
		got, err := programs.Compile(path, []byte(src), func() (*program, error) {
			compiled++
			return &program{path: path}, nil
		})
		if err != nil || got.path != path {
			t.Fatalf("%v, %v, want the program of %s", got, err, path)
		}
		return got
	}
	kept := ask("kept", "1")
	for range 10 {
		if got := ask("kept", "1"); got != kept {
			t.Fatal("who asks for a file that somebody has compiled gets another program")
		}
		if ask("kept", "2") == kept || ask("other", "1") == kept {
			t.Fatal("another content, or another path, has the same program")
		}
		runtime.GC()
	}
	runtime.KeepAlive(kept)
	if compiled < 1+2+2 {
		t.Errorf("compiled %d times, want 1 and each of the others again: nobody has them", compiled)
	}
}

func TestWhatDoesNotCompileIsTriedAgain(t *testing.T) {
	var programs runtimes.Programs[program]
	for _, want := range []error{errors.New("no"), nil} {
		if _, err := programs.Compile("a", nil, func() (*program, error) { return &program{}, want }); err != want {
			t.Errorf("got %v, want %v", err, want)
		}
	}
}
