package runtimes

import (
	"strings"

	"sluice/engine"
)

// maxMisspelt is the longest name that is held against others, in bytes.
const maxMisspelt = 64

// Suggest returns ", want NAME" for the name nearest to a misspelt one, or the whole list when none is near, or several are equally far
// away, and it is short, or "".
func Suggest(misspelt string, names []string) string {
	best, distance, several := "", len(misspelt)/3+2, false
	for _, n := range names {
		if len(misspelt) > maxMisspelt {
			break
		}
		d := engine.Slips(strings.ToLower(misspelt), strings.ToLower(n))
		several = best != "" && (d == distance || several && d > distance)
		if d < distance {
			best, distance = n, d
		}
	}
	several = several && distance > len(misspelt)/3
	short := len(names) > 0 && len(names) <= 6
	switch {
	case best != "" && !(several && short):
		return ", want " + best
	case short:
		return ", want " + strings.Join(names, ", ")
	}
	return ""
}
