package main

import (
	"bytes"
	"os"
	"testing"
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
