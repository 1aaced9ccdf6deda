package experiment

import "math"

// What is compared between two arms is the mean over units of each unit's own mean: requests of one session are not independent, sessions
// are. The test is the mixture sequential probability ratio test of two normal means (Johari, Pekelis and Walsh, "Always valid inference:
// continuous monitoring of A/B tests"): its interval covers the truth at every moment of looking at once, with probability 1 - alpha, so
// one may look as often as one likes and stop when one likes.

const (
	// alpha is how often, at most, an experiment without a difference is ever said to have one, over all that is compared.
	alpha = 0.01
	// MinUnits is how many units each arm must have before anything is said: below, a mean of means is not normal enough.
	MinUnits = 100
	// mixing is the difference, in standard deviations of one unit, for which the test is most powerful.
	mixing = 0.2
	// rounding is the share of a mean below which a difference may come of adding floats alone.
	rounding = 1e-9
)

// sample is the running mean and variance of the units of one arm.
type sample struct {
	units int
	sum   float64 // of the units' means
	sumSq float64
}

// replace takes a unit's mean as it is after one more request in the place of what it was before.
func (s *sample) replace(before, after float64, first bool) {
	if first {
		s.units++
		before = 0
	}
	s.sum += after - before
	s.sumSq += after*after - before*before
}

func (s *sample) mean() float64 { return s.sum / float64(max(1, s.units)) }

func (s *sample) variance() float64 {
	if s.units < 2 {
		return 0
	}
	n := float64(s.units)
	return max(0, (s.sumSq-s.sum*s.sum/n)/(n-1))
}

// Interval is what is known of a difference. Low and High are infinite while nothing may be said.
type Interval struct {
	Difference float64 // of the means: the second arm's less the first's
	Low, High  float64
}

// pooledVariance is that of the units of both. An arm with a small share sees little of what is rare: a hundred units without a failure would
// have no variance, and be surely better than thousands that had one. Unless it shows that it spreads more, each spreads as both together.
func pooledVariance(a, b *sample) float64 {
	na, nb := float64(a.units-1), float64(b.units-1)
	return (na*a.variance() + nb*b.variance()) / (na + nb)
}

// compare returns the always-valid interval of b's mean less a's, when that many things are compared in all.
func compare(a, b *sample, comparisons int) Interval {
	i := Interval{Difference: b.mean() - a.mean(), Low: math.Inf(-1), High: math.Inf(1)}
	if a.units < MinUnits || b.units < MinUnits {
		return i
	}
	if math.Abs(i.Difference) <= rounding*math.Max(math.Abs(a.mean()), math.Abs(b.mean())) {
		i.Difference = 0
	}
	pooled := pooledVariance(a, b)
	va, vb := max(a.variance(), pooled), max(b.variance(), pooled)
	v := va/float64(a.units) + vb/float64(b.units)
	if v == 0 {
		i.Low, i.High = i.Difference, i.Difference
		return i
	}
	tau := mixing * mixing * (va + vb) / 2
	width := math.Sqrt(v * (v + tau) / tau * (2*math.Log(float64(comparisons)/alpha) + math.Log((v+tau)/v)))
	i.Low, i.High = i.Difference-width, i.Difference+width
	return i
}

// Decided reports whether the interval leaves zero out.
func (i Interval) Decided() bool { return i.Low > 0 || i.High < 0 }
