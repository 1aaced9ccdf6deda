package engine

import (
	"maps"
	"math/bits"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Meter counts the calls of one slot. It lives beside the generations and outlives reloads. All methods may be called from any goroutine.
type Meter struct {
	Calls    atomic.Int64
	Recalled atomic.Int64 // calls that a filter's memory answered in the place of its script
	Errors   atomic.Int64 // a script's own errors, and calls that wanted memory which others held
	Overruns atomic.Int64 // budget overruns and panics
	Invalid  atomic.Int64 // outputs that were refused
	Dropped  atomic.Int64 // events an observer missed
	Aside    atomic.Int64 // calls that were not made: the script was put aside
	buckets  [4 * 40]atomic.Int64
	nanos    atomic.Int64

	last atomic.Pointer[ScriptError]
	log  func(*ScriptError) // nil = nobody listens

	mu   sync.Mutex
	told []failurePlace // guarded by mu
}

// failurePlace is where a script fails, and of which budget it was: a message may hold what a client sent. An overrun is anywhere in its file:
// that is where the script was when its budget ended.
type failurePlace struct {
	file, budget string
	line, column int
}

// maxTold is how many places a meter tells the log of, until its slot is built anew. Failures at others are counted.
const maxTold = 32

// Observe adds one call that took d.
func (m *Meter) Observe(d time.Duration) {
	m.Calls.Add(1)
	m.nanos.Add(int64(d))
	m.buckets[bucketOf(d)].Add(1)
}

// Seconds is the summed duration of all calls.
func (m *Meter) Seconds() float64 { return time.Duration(m.nanos.Load()).Seconds() }

// bucketOf is logarithmic: four buckets to each doubling, from 1 ns to about 18 minutes.
func bucketOf(d time.Duration) int {
	n := uint64(max(d, 4))
	exp := bits.Len64(n) - 1
	return min((exp-2)*4+int(n>>(exp-2)&3), 4*40-1)
}

// Quantile estimates the duration below which a share q of the calls stayed, within a fifth. It is 0 before the first call.
func (m *Meter) Quantile(q float64) time.Duration {
	var total int64
	for i := range m.buckets {
		total += m.buckets[i].Load()
	}
	rank := int64(q*float64(total) + 0.5)
	for i := range m.buckets {
		rank -= m.buckets[i].Load()
		if total > 0 && rank <= 0 {
			return time.Duration(uint64(4+i%4) << (i / 4))
		}
	}
	return 0
}

// Count notes how a call failed. err may be nil.
func (m *Meter) Count(err *ScriptError) {
	if err == nil {
		m.Errors.Add(1)
		return
	}
	if err.overran() {
		m.Overruns.Add(1)
	} else {
		m.Errors.Add(1)
	}
	m.keep(err)
}

// Refuse notes an output that does not count, and where it came from; err may be nil.
func (m *Meter) Refuse(err *ScriptError) {
	m.Invalid.Add(1)
	if err != nil {
		m.keep(err)
	}
}

// keep remembers a failure. The log is told of it where it is the first at its place, so that no client fills the log.
func (m *Meter) keep(err *ScriptError) {
	if len(err.Message) > MaxErrorMessage { // it is kept, shown and logged
		cut := *err
		cut.Message = Cut(err.Message, MaxErrorMessage)
		err = &cut
	}
	m.last.Store(err)
	if m.log != nil && m.first(err) {
		m.log(err)
	}
}

// first reports whether err is the first failure at its place.
func (m *Meter) first(err *ScriptError) bool {
	at := failurePlace{err.File, err.Budget, err.Line, err.Column}
	if err.Budget != "" {
		at.line, at.column = 0, 0
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.told) >= maxTold || slices.Contains(m.told, at) {
		return false
	}
	m.told = append(m.told, at)
	return true
}

// tellAnew lets the log be told of every place again.
func (m *Meter) tellAnew() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.told = nil
}

// Last is the latest failure of the slot's script, nil = it never failed.
func (m *Meter) Last() *ScriptError { return m.last.Load() }

// Meters keeps the meter of each slot across generations.
type Meters struct {
	// Log is told of the first failure of a script at each place, while requests are served by one build of its slot. Nil drops it.
	Log func(*ScriptError)

	mu sync.Mutex
	m  map[MeterKey]*Meter // guarded by mu
}

// MeterKey addresses a meter: a slot's kind and its key.
type MeterKey struct {
	Slot SlotKind
	Key  SlotKey
}

// For returns the meter of a slot that is built, new when it is the first time.
func (ms *Meters) For(slot SlotKind, key SlotKey) *Meter {
	ms.mu.Lock()
	defer ms.mu.Unlock()
	k := MeterKey{slot, key}
	if ms.m == nil {
		ms.m = make(map[MeterKey]*Meter)
	}
	if ms.m[k] == nil {
		ms.m[k] = &Meter{log: ms.Log}
	}
	ms.m[k].tellAnew()
	return ms.m[k]
}

// New returns a meter that no table keeps: that of an arm of an experiment, whose figures begin anew with each version of its script.
func (ms *Meters) New() *Meter { return &Meter{log: ms.Log} }

// All returns a copy of the table, for reports.
func (ms *Meters) All() map[MeterKey]*Meter {
	ms.mu.Lock()
	defer ms.mu.Unlock()
	return maps.Clone(ms.m)
}
