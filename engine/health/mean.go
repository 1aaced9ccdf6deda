package health

import (
	"math"
	"sync/atomic"
)

// mean is a running mean. The zero value has seen nothing.
type mean struct{ bits atomic.Uint64 }

func (m *mean) value() float64 { return math.Float64frombits(m.bits.Load()) }

// add moves the mean towards a sample by its weight, 0..1. A mean that is there already, as that of errors is mostly, is not written.
func (m *mean) add(sample, weight float64) {
	for {
		old := m.bits.Load()
		was := math.Float64frombits(old)
		next := math.Float64bits(was + (sample-was)*weight)
		if next == old || m.bits.CompareAndSwap(old, next) {
			return
		}
	}
}

// raise makes a sample of 0 that was added with a weight one of 1.
func (m *mean) raise(weight float64) {
	for {
		old := m.bits.Load()
		next := math.Float64bits(min(1, math.Float64frombits(old)+weight))
		if m.bits.CompareAndSwap(old, next) {
			return
		}
	}
}

func (m *mean) reset() { m.bits.Store(0) }
