package config

import "strings"

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
		n := slips(strings.ToLower(got), strings.ToLower(v))
		if n < fewest && n <= max(1, max(len(got), len(v))/3) {
			best, fewest = v, n
		}
	}
	return best
}

// slips counts the letters added, left out, changed, or swapped with their neighbour between a and b.
func slips(a, b string) int {
	var before []int // the row before the last, for swaps
	last := make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := range len(a) {
		row := make([]int, len(b)+1)
		row[0] = i + 1
		for j := range len(b) {
			change := 1
			if a[i] == b[j] {
				change = 0
			}
			row[j+1] = min(last[j+1]+1, row[j]+1, last[j]+change)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
		before, last = last, row
	}
	return last[len(b)]
}
