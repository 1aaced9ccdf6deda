package engine

import (
	"bytes"
	"encoding/hex"
	"strings"
)

// secret is a credential that is looked for in texts, as it is and as those who write JSON and URLs escape it. One goroutine uses it.
type secret struct {
	text   string
	run    string // some of its letters and digits: nobody escapes these, so that few texts without the secret hold them
	before int    // the most bytes that write what is before the run
	plain  int    // how many letters and digits it has
}

// longEnough is a run that hardly any text holds by chance.
const longEnough = 16

// study finds what the secret is looked for by, once there is a text that may hold it.
func (s *secret) study() {
	if s.run != "" {
		return
	}
	for run := range strings.FieldsFuncSeq(s.text, escapable) {
		s.plain += len(run)
		if len(s.run) < longEnough && len(run) > len(s.run) {
			s.run = run
		}
	}
	s.before = widest * strings.Index(s.text, s.run)
}

func escapable(r rune) bool {
	return (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
}

func (s *secret) in(text string) bool {
	if len(text) < len(s.text) {
		return false
	}
	s.study()
	if !strings.Contains(text, s.run) {
		return false
	}
	_, n := s.find([]byte(text))
	return n > 0
}

// inName reports whether the name of a header holds the letters and digits of the secret, in either case. They are all of it that a name can
// hold for sure; of a secret that has few of them, others may be.
func (s *secret) inName(name string) bool {
	least := len(s.text) / 2
	if len(name) < least {
		return false
	}
	if s.study(); s.plain < least {
		return false
	}
	for ; len(name) >= s.plain; name = name[1:] {
		if spells(name, s.text) {
			return true
		}
	}
	return false
}

// spells reports whether a text begins with the letters and digits of a word, whatever else is between them.
func spells(text, word string) bool {
	for i := range len(word) {
		if escapable(rune(word[i])) {
			continue
		}
		for text != "" && escapable(rune(text[0])) {
			text = text[1:]
		}
		if text == "" || lower(text[0]) != lower(word[i]) {
			return false
		}
		text = text[1:]
	}
	return true
}

// hide is b with stars in place of the secret: b itself where it does not hold it.
func (s *secret) hide(b []byte) []byte {
	at, n := s.find(b)
	if n == 0 {
		return b
	}
	out := bytes.Clone(b)
	for rest := out; n > 0; at, n = s.find(rest) {
		copy(rest[at:], bytes.Repeat([]byte{'*'}, n))
		rest = rest[at+n:]
	}
	return out
}

// find tells where b first holds the secret, and how many bytes write it: 0 = none do. No place is looked at twice.
func (s *secret) find(b []byte) (at, n int) {
	s.study()
	for at < len(b) {
		run := bytes.Index(b[at:], []byte(s.run))
		if run < 0 {
			break
		}
		run += at
		for at = max(at, run-s.before); at <= run; at++ {
			if n := s.length(b[at:]); n > 0 {
				return at, n
			}
		}
	}
	return 0, 0
}

// length is how many of the first bytes of b write the secret: 0 = they do not.
func (s *secret) length(b []byte) int {
	if bytes.HasPrefix(b, []byte(s.text)) {
		return len(s.text)
	}
	n := 0
	for i := range len(s.text) {
		one := written(b[n:], s.text[i])
		if one == 0 {
			return 0
		}
		n += one
	}
	return n
}

// JSON in a text of JSON in a text of JSON has seven backslashes before what it escapes, and a URL in a URL in a URL two times "25" behind
// its '%'.
const (
	mostSlashes = 7
	mostTimes25 = 2
	widest      = mostSlashes + len("u002f")
)

// written is how many of the first bytes of b write c, as it is or as JSON or a URL escapes it: 0 = they do not.
func written(b []byte, c byte) int {
	n := 0
	for n < min(len(b), mostSlashes) && b[n] == '\\' {
		n++
	}
	escaped := n > 0
	switch b = b[n:]; {
	case len(b) == 0:
		return 0
	case b[0] == c:
		return n + 1
	case escaped && bytes.HasPrefix(b, []byte("u00")) && isHex(b[3:], c):
		return n + 5
	case b[0] != '%':
		return 0
	}
	n, b = n+1, b[1:]
	for i := 0; i < mostTimes25 && bytes.HasPrefix(b, []byte("25")); i++ {
		n, b = n+2, b[2:]
	}
	if isHex(b, c) {
		return n + 2
	}
	return 0
}

// isHex reports whether the first two bytes of b are the digits of c.
func isHex(b []byte, c byte) bool {
	var digits [1]byte
	n, _ := hex.Decode(digits[:], b[:min(2, len(b))])
	return n == 1 && digits[0] == c
}
