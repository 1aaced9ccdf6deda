package starlark

import (
	"cmp"
	"sort"

	sky "go.starlark.net/starlark"
	"go.starlark.net/syntax"
)

// lookEvery is how many compares or insertions there are between two looks at the clock.
const lookEvery = 256

// sorting are values that are being sorted by their keys. Once a budget is spent nothing is compared any more. Of keys that cannot be compared the
// last ones count, as in the interpreter.
type sorting struct {
	*runner
	keys, values []sky.Value // without keys the values are their own
	left         int64       // compares until the next look
	each         int64       // compares that the longest one takes as long as
	over         error       // a budget is spent
	err          error
}

// derive asks key for the key of each value, if it is not nil.
func (s *sorting) derive(key sky.Callable) error {
	s.keys = s.values
	if key == nil {
		return s.weigh()
	}
	s.keys = make([]sky.Value, len(s.values))
	for i, v := range s.values {
		k, err := sky.Call(&s.thread, key, sky.Tuple{v}, nil)
		if err != nil {
			return err // as it is: it has the stack
		}
		s.keys[i] = k
	}
	return s.weigh()
}

// weigh looks at the keys, and finds after how many compares of them to look at the clock.
func (s *sorting) weigh() error {
	heaviest, err := s.weighAll(sky.Tuple(s.keys))
	s.left, s.each = lookEvery, 1+heaviest/16
	return err
}

func (s *sorting) sort(reverse bool) error {
	if reverse {
		sort.Stable(sort.Reverse(s))
	} else {
		sort.Stable(s)
	}
	return cmp.Or(s.over, s.err)
}

// Len is the number of values.
func (s *sorting) Len() int { return len(s.values) }

// Less compares the keys of two values.
func (s *sorting) Less(i, j int) bool {
	if s.left -= s.each; s.left <= 0 && s.over == nil {
		s.over, s.left = s.tick(), lookEvery
	}
	if s.over != nil {
		return false
	}
	less, err := sky.Compare(syntax.LT, s.keys[i], s.keys[j])
	if err != nil {
		s.err = err
	}
	return less
}

// Swap exchanges two values.
func (s *sorting) Swap(i, j int) {
	s.values[i], s.values[j] = s.values[j], s.values[i]
	if &s.keys[0] != &s.values[0] {
		s.keys[i], s.keys[j] = s.keys[j], s.keys[i]
	}
}

// tick looks at the budgets in the middle of a built-in function. An error is the call's end.
func (r *runner) tick() error {
	r.look()
	return r.over()
}
