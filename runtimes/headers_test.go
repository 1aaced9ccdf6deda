package runtimes_test

import (
	"fmt"
	"strings"
	"testing"

	"sluice/engine"
	"sluice/runtimes"
)

// The names of few lines are compared, those of many remembered: what a script sees is the same.
func TestManyHeadersAreWalkedAsFewAre(t *testing.T) {
	for _, n := range []int{1, 10, 32, 33, 3000} {
		var lines engine.Headers
		var want []string
		for i := range n {
			lines.Add(fmt.Sprintf("X-%d", i), fmt.Sprint(i))
			want = append(want, fmt.Sprintf("x-%d=%d", i, i))
		}
		lines.Add("x-0", "again")
		lines.Add("Authorization", "Bearer planted")
		h := runtimes.NewHeaders(&runtimes.Call{}, lines)
		var got []string
		h.Each(func(name string, v runtimes.Value) bool {
			got = append(got, name+"="+v.Str)
			return true
		})
		if strings.Join(got, " ") != strings.Join(want, " ") || h.Len() != n {
			t.Errorf("of %d names: %d, %.200q", n, h.Len(), got)
		}
	}
}
