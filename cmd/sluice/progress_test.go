package main

import (
	"bytes"
	"testing"
	"testing/synctest"
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

func TestProgressOfWhatCannotBeCountedIsItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		p := &progress{w: &out, next: time.Now().Add(tellsAfter)}
		p.during("looking", func() { time.Sleep(tellsAfter / 2) })
		if out.Len() > 0 {
			t.Errorf("what is over soon shows %q", out.String())
		}
		p.next = time.Now().Add(tellsAfter)
		p.during("looking", func() { time.Sleep(tellsAfter + 1500*time.Millisecond) })
		if got, want := out.String(), "\rlooking, 2 s\x1b[K\rlooking, 3 s\x1b[K\r\x1b[K"; got != want {
			t.Errorf("it shows %q, want %q", got, want)
		}
	})
}
