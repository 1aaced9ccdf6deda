package body_test

import (
	"testing"

	"sluice/engine/body"
)

func TestCount(t *testing.T) {
	f := func(text string, want int) {
		t.Helper()
		if got := body.Count([]byte(text)); got != want {
			t.Errorf("%q: got %d, want %d", text, got, want)
		}
	}
	f(`1`, 1)
	f(` {} `, 1)
	f(`[ ]`, 1)
	f(`[1,"a,[\"{,",null]`, 4)
	f(`{"a,":{"b":[],"c":[{}]},"d":""}`, 6)
	f(``, 0)
	f(`{"a":1`, 0)
	f(`[,`, 0)
}
