package body_test

import (
	"strings"
	"testing"

	"sluice/engine/body"
	"sluice/engine/turn"
)

func TestMovesOfMegabytesLetOthersRun(t *testing.T) {
	const size, least = 16 << 20, 60
	text := strings.Repeat("x", size)
	full := []byte(text)[:size:size]
	words := make([]string, size/16)
	for name, move := range map[string]func(){
		"AppendText":   func() { body.AppendText(nil, text) },
		"Append":       func() { body.Append(nil, words) },
		"Grow":         func() { body.Grow(full, 1) },
		"AppendString": func() { body.AppendString(nil, text) },
		"Repeat":       func() { body.Repeat("x", size) },
	} {
		before := turn.Taken()
		move()
		if n := turn.Taken() - before; n < least {
			t.Errorf("%s of %d MiB lets others run %d times, want at least %d", name, size>>20, n, least)
		}
	}
}
