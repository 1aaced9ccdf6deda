package main

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
)

func TestColourIsForTerminalsThatWantIt(t *testing.T) {
	device, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0) // a character device, as a terminal is
	if err != nil {
		t.Fatal(err)
	}
	defer device.Close()
	t.Setenv("NO_COLOR", "")
	if !newConsole(nil, device).colour || newConsole(nil, &bytes.Buffer{}).colour {
		t.Error("want colour on a device and none in a buffer")
	}
	t.Setenv("NO_COLOR", "1")
	if newConsole(nil, device).colour {
		t.Error("there is colour in spite of NO_COLOR")
	}
}

// gated is a reader that takes nothing before it is opened.
type gated struct {
	open chan struct{}
	text bytes.Buffer
}

func (g *gated) Write(p []byte) (int, error) {
	<-g.open
	return g.text.Write(p)
}

func TestWhatWasLostIsToldAtTheEnd(t *testing.T) {
	log := &gated{open: make(chan struct{})}
	c := newConsole(nil, log)
	for range 2 * unread {
		c.logf("a word")
	}
	time.AfterFunc(10*time.Millisecond, func() { close(log.open) }) // while close waits, or before
	c.close()
	written, told, ok := strings.Cut(log.text.String(), "the log was not read: ")
	lost := 0
	fmt.Sscan(told, &lost)
	if read := strings.Count(written, "a word\n"); !ok || read+lost != 2*unread {
		t.Errorf("%d lines written and %d lost, want %d in all", read, lost, 2*unread)
	}
}
