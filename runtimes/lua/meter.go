package lua

import (
	"context"
	"errors"
	"slices"
	"time"

	"sluice/engine"
	"sluice/runtimes"

	glua "github.com/yuin/gopher-lua"
)

// slice is how many steps pass between two looks at the clock: some microseconds, unless instructions work on megabytes of text.
const slice = 200

// bulk is how many bytes may be allocated between two looks, in large pieces: what clears them takes some 100 us.
const bulk = 512 << 10

// meter counts the steps of one call and ends it when a budget is spent. It is the context of its interpreter, which asks Done before
// every instruction: so there is no timer and no goroutine, and pcall cannot go on after an overrun, since the next instruction fails
// again. What the instruction will allocate is charged before it runs. One meter serves the calls of a state, one after the other.
type meter struct {
	vm        *peekedState
	given     engine.Budget // what one call has
	budget    engine.Budget // what this call has: given, and more once extend was called. 0 = no bound
	body      int           // bytes that extend was called with
	clock     runtimes.Clock
	steps     int64
	next      int64           // steps at which to look again
	allocated int64           // bytes
	looked    int64           // allocated, at the last look
	before    int64           // bytes that the call holds of memory beside those: of the top level that ran for it
	memory    *runtimes.Share // what the call holds of what all calls share; nil = it shares nothing
	followed  []*glua.LTable  // the tables of the script's state
	stored    bool            // there may be another way to them
	registers int             // room for them that was charged
	overrun   string          // the budget that ended the call, "" = none did
	message   string          // what the script is told then
	refused   string          // why the next instruction fails, "" = it does not
	ended     chan struct{}
}

var _ context.Context = (*meter)(nil)

func newMeter() *meter {
	m := &meter{ended: make(chan struct{})}
	close(m.ended)
	return m
}

// begin readies the meter for a call that began at a moment, and that somebody may watch.
func (m *meter) begin(b engine.Budget, began time.Time, watch engine.Watch) {
	m.given, m.budget, m.body = b, b, 0
	m.clock.Start(began, watch)
	m.steps, m.allocated, m.looked, m.before, m.overrun, m.refused = 0, 0, 0, 0, "", ""
	m.registers, m.memory, m.followed, m.stored = cap(m.vm.reg.array), nil, nil, false
	m.lookLater()
}

// Done counts one step. Its channel is closed once a budget is spent, and for an instruction that is refused.
func (m *meter) Done() <-chan struct{} {
	m.steps++
	frame := m.vm.currentFrame
	code := frame.Fn.Proto.Code[frame.Pc-1]
	price := &prices[code>>26]
	m.allocated += price.boxed
	if price.charge != nil {
		if price.charge(m, instruction{code, frame, m.vm.reg}); m.refused != "" {
			return m.ended
		}
	}
	if m.steps < m.next {
		return nil
	}
	return m.look()
}

// look compares what was spent with the budget.
func (m *meter) look() <-chan struct{} {
	if room := cap(m.vm.reg.array); room > m.registers {
		m.take(slotBytes * room)
		m.registers = room
	}
	switch {
	case m.overrun != "":
		return m.ended
	case m.budget.Memory > 0 && m.allocated > m.budget.Memory:
		m.stop("memory", runtimes.MemoryOver(m.given, m.body))
	case m.budget.Steps > 0 && m.steps > m.budget.Steps:
		m.stop("steps", runtimes.StepsOver(m.given, m.body))
	case m.late():
		m.stop(m.memory.LateOver(m.budget, m.given, m.body))
	case m.uncovered():
	default:
		m.lookLater()
		return nil
	}
	return m.ended
}

// uncovered ends the call where all calls together hold too much for it to go on.
func (m *meter) uncovered() bool {
	if m.memory == nil {
		return false
	}
	err := m.memory.Cover(m.before+m.allocated, m.clock.Over(m.budget))
	if err != nil {
		m.stop(engine.BudgetTotalMemory, err.Error())
	}
	return err != nil
}

func (m *meter) late() bool { return m.clock.Late(m.budget, m.memory, m.before+m.allocated) }

// done looks once more, after the last step: that one may have been a long one. It reports whether a budget is overrun.
func (m *meter) done() bool { return m.look() != nil }

func (m *meter) lookLater() {
	m.looked = m.allocated
	m.next = m.steps + m.clock.Ahead(slice)
	if m.budget.Steps > 0 {
		m.next = min(m.next, m.budget.Steps+1)
	}
}

func (m *meter) stop(budget, message string) {
	m.overrun, m.message, m.next = budget, message, 0
}

// spend adds the steps that native code stands for, one for about 25 ns. An error is the call's end.
func (m *meter) spend(steps int64) error {
	m.steps += steps
	if m.steps >= m.next && m.look() != nil {
		return m.Err()
	}
	return nil
}

// tick looks at the budgets in the middle of native code. An error is the call's end.
func (m *meter) tick() error {
	if m.look() != nil {
		return m.Err()
	}
	return nil
}

// Rest lets others run in the midst of native work.
func (m *meter) Rest() { m.look() }

// take counts bytes that are about to be allocated. The next look comes before they are, if they are many or too many.
func (m *meter) take(bytes int) {
	m.allocated += int64(bytes)
	if m.allocated-m.looked > bulk || m.budget.Memory > 0 && m.allocated > m.budget.Memory || m.memory != nil && m.memory.Short(m.before+m.allocated) {
		m.next = 0
	}
}

// allocate counts bytes that native code is about to allocate. An error is the call's end.
func (m *meter) allocate(bytes int64) error {
	if m.take(int(bytes)); m.next == 0 && m.look() != nil {
		return m.Err()
	}
	return nil
}

// extend adds what bytes of body earn. Of two bodies the larger one counts.
func (m *meter) extend(bytes int) {
	m.body = max(m.body, bytes)
	m.budget = m.given.ForBody(m.body)
}

// follow begins to follow the tables of the script's state; nil: there are too many.
func (m *meter) follow(tables []*glua.LTable) { m.followed, m.stored = tables, tables == nil }

// following reports whether it matters where a value is put.
func (m *meter) following() bool { return m.followed != nil && !m.stored }

// store sees a value put into a table, or into a variable that outlasts its function, where into is nil. It may be another way to the tables
// of the state if it is one of them, if it is a table that becomes a part of one and may be a part of something else, and if it is a
// function, which may use them. A function of Go that puts something into a table sets stored by itself.
func (m *meter) store(into, v glua.LValue) {
	if !m.following() {
		return
	}
	switch v := v.(type) {
	case *glua.LTable:
		m.stored = m.follows(v) || m.follows(into)
	case *glua.LFunction:
		m.stored = true
	}
}

func (m *meter) follows(v glua.LValue) bool {
	t, ok := v.(*glua.LTable)
	return ok && slices.Contains(m.followed, t)
}

// Err is the overrun that ended the call, or else, once, why an instruction was refused.
func (m *meter) Err() error {
	refused := m.refused
	m.refused = ""
	switch {
	case m.overrun != "":
		return errors.New(m.message)
	case refused != "":
		return errors.New(refused)
	}
	return nil
}

// Deadline is not used: the clock is looked at between steps.
func (m *meter) Deadline() (time.Time, bool) { return time.Time{}, false }

// Value holds nothing.
func (m *meter) Value(any) any { return nil }
