package turn

import (
	"math/rand/v2"
	"testing"
)

// Whoever waits, whatever they hold and whomever they are for: somebody may go on, and everybody does.
func TestSomebodyMayAlwaysGoOn(t *testing.T) {
	for seed := range uint64(200) {
		random := rand.New(rand.NewPCG(seed, 0))
		var q queue
		waiting := make(map[*Seat]int) // how often each is still to go on
		for range 1 + random.IntN(300) {
			s := &Seat{For: string(rune('a' + random.IntN(1+random.IntN(200)))), holds: Little + Hold(random.IntN(4))}
			waiting[s] = 1 + random.IntN(4)
			q.put(s)
		}
		for q.len > 0 {
			s := q.next()
			if s.begun = s.holds; random.IntN(3) == 0 {
				s.holds = max(s.holds, Little+Hold(random.IntN(4)))
			}
			if waiting[s]--; waiting[s] > 0 {
				q.put(s)
				continue
			}
			delete(waiting, s)
		}
		if len(waiting)+len(q.lines)+len(q.of) > 0 || q.begun != [levels]int{} {
			t.Fatalf("seed %d: %d have not gone on; %d lines, %v have begun", seed, len(waiting), len(q.lines), q.begun)
		}
	}
}
