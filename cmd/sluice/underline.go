package main

import (
	"fmt"
	"strings"
	"unicode"

	"sluice/runtimes"
)

// maxShown is how much of a line is shown, in characters.
const maxShown = 120

// underlined is a line with its number, and a mark under the word at a column, under all of its text if the column is 0. Of a line that
// is longer than maxShown it is the part around the mark.
func underlined(line []rune, number, column int) string {
	if number == 1 {
		line = []rune(strings.TrimPrefix(string(line), runtimes.ByteOrderMark)) // no column counts it
	}
	start := len(line) - len([]rune(strings.TrimLeft(string(line), " ")))
	width := len(line) - start
	if column > 0 && column <= len(line)+1 {
		start = column - 1
		width = wordWidth(line[start:])
	}
	line, start = around(line, start)
	end := min(start+width, len(line))
	mark := strings.Repeat(" ", cells(line[:start])) + strings.Repeat("^", max(cells(line[start:end]), 1))
	label := fmt.Sprintf("%6d | ", number)
	return fmt.Sprintf("%s%s\n%*s| %s\n", label, string(line), len(label)-2, "", mark)
}

// around cuts a long line to the part around a place, and says where the place is in that.
func around(line []rune, place int) ([]rune, int) {
	if len(line) <= maxShown {
		return line, place
	}
	from := max(0, min(place-maxShown/2, len(line)-maxShown))
	cut := append([]rune(nil), line[from:from+maxShown]...)
	if from > 0 {
		cut[0] = '…'
	}
	if from+maxShown < len(line) {
		cut[maxShown-1] = '…'
	}
	return cut, place - from
}

// cells is how many columns of a terminal a text takes.
func cells(text []rune) int {
	n := 0
	for _, r := range text {
		switch {
		case unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf): // drawn upon the one before, or not at all
		case wide(r):
			n += 2
		default:
			n++
		}
	}
	return n
}

// wide reports whether a character takes two columns: those of East Asia but for the narrow forms, and pictures.
func wide(r rune) bool {
	switch {
	case r < 0x1100, r >= 0xff61 && r <= 0xffdc:
		return false
	case r >= 0x3000 && r <= 0x303e, r >= 0xff01 && r <= 0xff60, r >= 0xffe0 && r <= 0xffe6, r >= 0x1f300 && r <= 0x1faff:
		return true
	}
	return unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Hangul, unicode.Bopomofo)
}
