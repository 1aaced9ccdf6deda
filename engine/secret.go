package engine

import (
	"bytes"
	"encoding/hex"
	"strings"
)

// secret is a credential that is looked for in texts, as it is and as those who write JSON and URLs escape it.
type secret struct {
	text   string
	run    string // some of its letters and digits: nobody escapes these, so that few texts without the secret hold them
	before int    // the most bytes that write what is before the run
}

// longEnough is a run that hardly any text holds by chance.
const longEnough = 16

func secretOf(text string) secret {
	s := secret{text: text}
	for run := range strings.FieldsFuncSeq(text, escapable) {
		if len(run) > len(s.run) {
			s.run = run
		}
		if len(run) >= longEnough {
			break
		}
	}
	s.before = widest * strings.Index(text, s.run)
	return s
}

func escapable(r rune) bool {
	return (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
}

func (s *secret) in(text string) bool {
	if !strings.Contains(text, s.run) {
		return false
	}
	_, n := s.find([]byte(text))
	return n > 0
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
