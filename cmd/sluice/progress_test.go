package main

import (
	"bytes"
	"testing"
	"time"
)

func TestProgressIsTheLineOfATerminal(t *testing.T) {
	var out bytes.Buffer
	p := &progress{w: &out, next: time.Now().Add(time.Hour)}
	p.tell("%d rows", 1)
	p.end()
	if out.Len() > 0 {
		t.Errorf("what is over at once shows %q", out.String())
	}
	p.next = time.Time{}
	p.tell("%d rows", 2)
	p.tell("%d rows", 3) // within the same second
	p.end()
	p.end()
	if got, want := out.String(), "\r2 rows\x1b[K\r\x1b[K"; got != want {
		t.Errorf("it shows %q, want %q", got, want)
	}
	if p := newProgress(&out); p.w != nil {
		t.Error("it is shown where there is no terminal")
	}
}
