package engine_test

import (
	"testing"

	"sluice/engine"
)

func TestRedactedHoldsNoKey(t *testing.T) {
	f := func(text, want string) {
		t.Helper()
		if got := engine.Redacted(text); got != want {
			t.Errorf("%q is %q, want %q", text, got, want)
		}
	}
	f("", "")
	f("no such model: task-sk-1", "no such model: task-[redacted]")
	f("a risk-free word, and sk-short here", "a risk-free word, and sk-short here")
	f("key sk-ant-api03-abcdefghijklmnop, and AKIAABCDEFGHIJKLMNOP", "key [redacted], and [redacted]")
	f("Bearer eyJhbGciOiJIUzI1.eyJzdWIiOiIx.c2ln", "Bearer [redacted]")
	f("cut off in sk-ant-ap", "cut off in [redacted]")
}
