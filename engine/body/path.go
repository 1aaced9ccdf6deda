package body

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Path leads to a value: keys of objects and positions in lists, from the outside in. What a segment is shows when it meets an
// object or a list: "0" is a key in the one and the first element of the other. The empty Path leads to the value itself.
type Path []string

// appendTo is the segment that, in Set, stands for the position after the last.
const appendTo = "-1"

// maxPath bounds a path that is read, in bytes: each segment takes more room than it has bytes.
const maxPath = 16 << 10

// ParsePath reads a path as scripts write it: segments with dots between them, where \. is a dot in a key and \\ a backslash. No
// segment is empty and the whole is UTF-8.
func ParsePath(s string) (Path, error) {
	if len(s) > maxPath {
		return nil, fmt.Errorf("a path of %d bytes, want at most %d", len(s), maxPath)
	}
	if !utf8.ValidString(s) {
		return nil, fmt.Errorf("path %q: not UTF-8", s)
	}
	if !strings.Contains(s, `\`) {
		return split(s)
	}
	var path Path
	var segment []byte
	for i := 0; i <= len(s); i++ {
		switch {
		case i == len(s) || s[i] == '.':
			if len(segment) == 0 {
				return nil, emptySegment(s, i)
			}
			path = append(path, string(segment))
			segment = segment[:0]
		case s[i] != '\\':
			segment = append(segment, s[i])
		case i+1 < len(s) && (s[i+1] == '.' || s[i+1] == '\\'):
			i++
			segment = append(segment, s[i])
		default:
			return nil, fmt.Errorf(`path %q: expected a dot or a backslash after the backslash at offset %d`, s, i)
		}
	}
	return path, nil
}

// split reads a path without backslashes.
func split(s string) (Path, error) {
	path := Path(strings.Split(s, "."))
	offset := 0
	for _, segment := range path {
		if segment == "" {
			return nil, emptySegment(s, offset)
		}
		offset += len(segment) + 1
	}
	return path, nil
}

func emptySegment(s string, offset int) error {
	return fmt.Errorf("path %q: expected a key or a position at offset %d", s, offset)
}

// String writes the path as ParsePath reads it.
func (p Path) String() string {
	escape := strings.NewReplacer(`\`, `\\`, `.`, `\.`)
	segments := make([]string, len(p))
	for i, segment := range p {
		segments[i] = escape.Replace(segment)
	}
	return strings.Join(segments, ".")
}

// position reads a segment as a position in a list: decimal, from 0, without leading zeros.
func position(segment string) (int, bool) {
	if segment == "" || segment[0] < '0' || segment[0] > '9' || segment[0] == '0' && segment != "0" {
		return 0, false
	}
	n, err := strconv.Atoi(segment)
	return n, err == nil
}
