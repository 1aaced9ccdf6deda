package runtimes

import "strings"

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
		d := editDistance(strings.ToLower(misspelt), strings.ToLower(n))
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

// oneSlip reports whether a becomes b by one insertion, deletion or replacement, or by two letters that change places.
func oneSlip(a, b string) bool {
	for len(a) > 0 && len(b) > 0 && a[0] == b[0] {
		a, b = a[1:], b[1:]
	}
	for len(a) > 0 && len(b) > 0 && a[len(a)-1] == b[len(b)-1] {
		a, b = a[:len(a)-1], b[:len(b)-1]
	}
	if len(a) == 2 && len(b) == 2 {
		return a[0] == b[1] && a[1] == b[0]
	}
	return len(a)+len(b) > 0 && len(a) <= 1 && len(b) <= 1
}

// editDistance counts the insertions, deletions and replacements between a and b, in bytes.
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		diagonal := row[0]
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := diagonal
			if a[i-1] != b[j-1] {
				cost++
			}
			diagonal = row[j]
			row[j] = min(cost, row[j]+1, row[j-1]+1)
		}
	}
	return row[len(b)]
}
