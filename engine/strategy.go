package engine

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
)

// Strategy picks one of the kept candidates, which are sorted by id and never empty. It may be called from many goroutines. The pick of a
// dry exchange leaves no trace.
type Strategy interface {
	Name() string
	Pick(x *Exchange, kept []UpstreamCandidate) int
}

// NewStrategy returns the strategy of a name. A seed other than 0 makes "random" reproducible.
func NewStrategy(name string, seed uint64) (Strategy, error) {
	switch name {
	case "first-pick":
		return firstPick{}, nil
	case "priority":
		return priority{}, nil
	case "least-connections":
		return leastConnections{}, nil
	case "round-robin":
		return &roundRobin{}, nil
	case "random":
		if seed == 0 {
			seed = rand.Uint64()
		}
		return &random{rng: rand.New(rand.NewPCG(seed, seed))}, nil
	}
	return nil, fmt.Errorf("strategy %q, want first-pick, priority, random, round-robin or least-connections", name)
}

// firstPick takes the lowest id.
type firstPick struct{}

func (firstPick) Name() string                            { return "first-pick" }
func (firstPick) Pick(*Exchange, []UpstreamCandidate) int { return 0 }

// priority takes the lowest priority number, the lowest id among equals.
type priority struct{}

func (priority) Name() string { return "priority" }
func (priority) Pick(_ *Exchange, kept []UpstreamCandidate) int {
	return lowest(kept, func(c *UpstreamCandidate) int { return c.Priority })
}

// leastConnections takes the fewest answers in flight, the lowest id among equals.
type leastConnections struct{}

func (leastConnections) Name() string { return "least-connections" }
func (leastConnections) Pick(_ *Exchange, kept []UpstreamCandidate) int {
	return lowest(kept, func(c *UpstreamCandidate) int { return c.InFlight })
}

func lowest(kept []UpstreamCandidate, rank func(*UpstreamCandidate) int) int {
	best := 0
	for i := 1; i < len(kept); i++ {
		if rank(&kept[i]) < rank(&kept[best]) {
			best = i
		}
	}
	return best
}

// roundRobin takes turns; an upstream of weight n has n turns in a row.
type roundRobin struct{ turn atomic.Uint64 }

func (*roundRobin) Name() string { return "round-robin" }
func (r *roundRobin) Pick(x *Exchange, kept []UpstreamCandidate) int {
	turn := r.turn.Load()
	if !x.Dry {
		turn = r.turn.Add(1) - 1
	}
	return weighted(kept, func(total uint64) uint64 { return turn % total })
}

// random takes any, in proportion to the weights.
type random struct {
	mu  sync.Mutex
	rng *rand.Rand // guarded by mu
}

func (*random) Name() string { return "random" }
func (r *random) Pick(x *Exchange, kept []UpstreamCandidate) int {
	if x.Dry { // the same for the same request: such picks are compared
		return weighted(kept, rand.New(rand.NewPCG(x.Request.Seed, 0)).Uint64N)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return weighted(kept, r.rng.Uint64N)
}

// weighted returns the candidate whose share of the summed weights holds the point that choose names. All at weight 0 share alike.
func weighted(kept []UpstreamCandidate, choose func(total uint64) uint64) int {
	var total uint64
	for i := range kept {
		total += uint64(kept[i].Weight)
	}
	if total == 0 {
		return int(choose(uint64(len(kept))))
	}
	point := choose(total)
	for i := range kept {
		w := uint64(kept[i].Weight)
		if point < w {
			return i
		}
		point -= w
	}
	return len(kept) - 1
}
