package main

import (
	"bytes"
	"errors"
	"testing"
)

// fullDisk takes nothing.
type fullDisk struct{}

func (fullDisk) Write([]byte) (int, error) { return 0, errors.New("no space left") }

func TestWhatCannotBeWrittenIsAFailure(t *testing.T) {
	for _, args := range [][]string{{"version"}, {"keys", "new", "--principal", "alice"}, {"--help"}, {"completion", "bash"}} {
		var stderr bytes.Buffer
		if code := run(append([]string{"sluice"}, args...), fullDisk{}, &stderr); code != exitWrong || stderr.String() != "sluice: no space left\n" {
			t.Errorf("%q: exit %d, %q", args, code, stderr.String())
		}
	}
}
