package reload_test

import (
	"fmt"
	"testing"

	"sluice/engine/reload"
	"sluice/engine/turn"
)

func TestAScanOfManyFilesLetsOthersRun(t *testing.T) {
	const files, least = 320, 10
	r := newRig(t)
	for i := range files {
		r.write(fmt.Sprintf("scripts/%d.star", i), "a")
	}
	before := turn.Taken()
	if _, err := reload.Scan(r.path("scripts")); err != nil {
		t.Fatal(err)
	}
	if n := turn.Taken() - before; n < least {
		t.Errorf("a scan of %d files lets others run %d times, want at least %d", files, n, least)
	}
}
