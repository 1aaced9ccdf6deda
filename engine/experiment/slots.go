package experiment

// Slots is how finely weights are kept: a ten-thousandth.
const Slots = 10_000

// layout says which arm each slot has. A unit falls into a slot by its hash and stays there for ever; what changes with the weights is whose
// the slot is. No function of the weights alone moves only what must move where there are more than two arms: so the layout is kept, and
// the next one is made from it.
type layout [Slots]uint8 // index of the arm

// weight is an arm's share before the sum of all is known.
type weight struct {
	arm   string
	parts float64
}

// allot gives each arm its part of the slots, by the largest remainder, so that they sum up.
func allot(weights []weight) []int {
	var total float64
	for _, w := range weights {
		total += w.parts
	}
	out := make([]int, len(weights))
	rest := make([]float64, len(weights))
	left := Slots
	for i, w := range weights {
		exact := w.parts / total * Slots
		out[i] = int(exact)
		rest[i] = exact - float64(out[i])
		left -= out[i]
	}
	for ; left > 0; left-- {
		most := 0
		for i := range rest {
			if rest[i] > rest[most] {
				most = i
			}
		}
		out[most]++
		rest[most] = -1
	}
	return out
}

// from makes the layout for new weights out of the one before: slots of arms that are gone or have too many go to those that have too few,
// and no other slot changes hands. before may be nil.
func (l *layout) from(before []Run, weights []weight) {
	want := allot(weights)
	index := make(map[string]int, len(weights))
	for i, w := range weights {
		index[w.arm] = i
	}
	var free []int
	at := 0
	take := func(n int, arm string) {
		i, known := index[arm]
		for ; n > 0 && at < Slots; n, at = n-1, at+1 {
			if !known || want[i] == 0 {
				free = append(free, at)
				continue
			}
			l[at] = uint8(i)
			want[i]--
		}
	}
	for _, r := range before {
		take(r.Slots, r.Arm)
	}
	take(Slots, "")
	arm := 0
	for _, slot := range free {
		for want[arm] == 0 {
			arm++
		}
		l[slot] = uint8(arm)
		want[arm]--
	}
}

// Run is some slots in a row that belong to one arm: a layout as it is kept on disk.
type Run struct {
	Arm   string `json:"arm"`
	Slots int    `json:"slots"`
}

func (l *layout) runs(weights []weight) []Run {
	var out []Run
	for _, i := range l {
		if n := len(out); n > 0 && out[n-1].Arm == weights[i].arm {
			out[n-1].Slots++
			continue
		}
		out = append(out, Run{weights[i].arm, 1})
	}
	return out
}
