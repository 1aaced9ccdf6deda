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
	f("no such model: task-sk-1", "no such model: task-sk-1")
	f("unknown locale sk-SK", "unknown locale sk-SK")
	f(`got "keys:\nsk-ant-api03-abcdefghijklmnop"`, `got "keys:\n[redacted]"`)
	f(`\u003csk-ant-api03-abcdefghijklmnop x%20sk-ant-api03-abcdefghijklmnop`, `\u003c[redacted] x%20[redacted]`)
	f("KEY_sk-ant-api03-abcdefghijklmnop", "KEY_[redacted]")
	f("a risk-free word, and sk-short here", "a risk-free word, and sk-short here")
	f("key sk-ant-api03-abcdefghijklmnop, and AKIAABCDEFGHIJKLMNOP", "key [redacted], and [redacted]")
	f("Bearer eyJhbGciOiJIUzI1.eyJzdWIiOiIx.c2ln", "Bearer [redacted]")
}
