package runtimes_test

import (
	"bytes"
	"flag"
	"os"
	"testing"

	"sluice/runtimes"
)

var update = flag.Bool("update", false, "write the script reference and the editor stubs")

func TestTheReferenceAndTheStubsOnDiskAreThoseOfTheTables(t *testing.T) {
	f := func(path string, want []byte) {
		t.Helper()
		if *update {
			if err := os.WriteFile(path, want, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		got, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s is not what the tables say: run go test ./runtimes -update", path)
		}
	}
	f("../scripts/reference.md", runtimes.Reference())
	f("../scripts/sluice.lua", runtimes.LuaStub())
	f("../scripts/sluice.pyi", runtimes.StarlarkStub())
}
