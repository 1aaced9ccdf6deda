package body_test

import (
	"strings"
	"testing"

	"sluice/engine/body"
	"sluice/engine/turn"
)

// rests counts how often others are let run by who rests in their own time.
type rests int

func (r *rests) Rest() { *r++ }

func TestMovesOfMegabytesLetOthersRun(t *testing.T) {
	const size, least = 16 << 20, 60
	text := strings.Repeat("x", size)
	full := []byte(text)[:size:size]
	words := make([]string, size/16)
	for name, move := range map[string]func(){
		"AppendText":   func() { body.Pieces{}.AppendText(nil, text) },
		"Append":       func() { body.Append(nil, words) },
		"Grow":         func() { body.Grow(full, 1) },
		"AppendString": func() { body.AppendString(nil, text) },
	} {
		before := turn.Taken()
		move()
		if n := turn.Taken() - before; n < least {
			t.Errorf("%s of %d MiB lets others run %d times, want at least %d", name, size>>20, n, least)
		}
	}
	for name, move := range map[string]func(p body.Pieces){
		"AppendText":   func(p body.Pieces) { p.AppendText(nil, text) },
		"Grow":         func(p body.Pieces) { p.Grow(full, 1) },
		"AppendString": func(p body.Pieces) { p.AppendString(nil, text) },
		"Repeat":       func(p body.Pieces) { p.Repeat("x", size) },
	} {
		var rested rests
		before := turn.Taken()
		move(body.Pieces{By: &rested})
		if n := turn.Taken() - before; rested < least || n > 0 {
			t.Errorf("%s of %d MiB in somebody's time has %d rests, and lets others run %d times beside, want at least %d and none", name, size>>20, rested, n, least)
		}
	}
}
