package config

import (
	"strings"

	"sluice/engine"
)

// wanted names what should have been given: the one valid name that got is a slip of, else all of them. There is at least one.
func wanted(got string, valid []string) string {
	if near := nearest(got, valid); near != "" {
		return near
	}
	last := len(valid) - 1
	if last == 0 {
		return valid[0]
	}
	return strings.Join(valid[:last], ", ") + " or " + valid[last]
}

// nearest returns the valid name within one slip of three letters of got, the longer of both counting, "" if there is none. One with no
// letter in common is not near.
func nearest(got string, valid []string) string {
	best, fewest := "", len(got)
	for _, v := range valid {
		n := engine.Slips(strings.ToLower(got), strings.ToLower(v))
		if n < fewest && n <= max(1, max(len(got), len(v))/3) {
			best, fewest = v, n
		}
	}
	return best
}
