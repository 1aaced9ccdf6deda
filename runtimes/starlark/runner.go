package starlark

import (
	"errors"
	"fmt"
	"time"

	"sluice/engine"
	"sluice/runtimes"

	sky "go.starlark.net/starlark"
)

// slice is how many steps a script takes between two looks at the clock: some tens of microseconds.
const slice = 1000

// bulk is how many bytes steps may work through between two looks. One step compares, searches or walks over no more than the script
// holds, so that a script that holds more is looked at after fewer steps.
const bulk = 16 << 20

// stepPrice is what a step of the interpreter is taken to allocate, in bytes: a frame, a small list, an entry of a dict each take several.
// What allocates more pays for itself: see guard.
const stepPrice = 16

// runner is a thread of the interpreter with its budget. It runs one call at a time and then the next; nothing of a call stays in it.
type runner struct {
	thread   sky.Thread
	file     string           // of the script that runs
	call     *runtimes.Call   // nil between calls
	args     []runtimes.Value // a stack of the arguments of methods that are running
	given    engine.Budget    // what a call has; 0 = no bound
	budget   engine.Budget    // what this call has: given, or more
	body     int              // bytes of body that it has more for
	clock    runtimes.Clock
	held     int64  // bytes that the script held when the call began
	paid     int64  // bytes that were charged, without those of the steps since priced
	looked   int64  // paid, at the last look
	price    int64  // of a step, in bytes
	priced   uint64 // steps of which paid has the price
	native   uint64 // steps since priced that built-in functions stood for: they have no price
	overrun  string // the budget that ended the call, "" = none did
	message  string // how it is told
	panicked bool   // a panic went through: not to be used again

	// Methods of r, made once: a method value costs an allocation.
	positionFunc func() (string, int)
	spendFunc    func(int64) error
	allocateFunc func(int64) error
	tickFunc     func() error
	extendFunc   func(int)
}

const runnerKey = "sluice"

func (rt *Runtime) newRunner() *runner {
	r := new(runner)
	r.positionFunc, r.spendFunc, r.allocateFunc = r.position, r.spend, r.allocate
	r.tickFunc, r.extendFunc = r.tick, r.extend
	r.thread.SetLocal(runnerKey, r)
	r.thread.OnMaxSteps = func(*sky.Thread) { r.look() }
	r.thread.Print = func(_ *sky.Thread, message string) {
		_, _ = rt.log.Call(r.call, nil, []runtimes.Value{runtimes.OfString(message)})
	}
	return r
}

// runnerOf returns the runner that a built-in function was called from.
func runnerOf(thread *sky.Thread) *runner { return thread.Local(runnerKey).(*runner) }

// begin readies a runner for a call of a script whose top level left something behind. The caller ends it with end.
func (rt *Runtime) begin(c *runtimes.Call, file string, b engine.Budget, left leftover) *runner {
	r, _ := rt.idle.Get().(*runner)
	if r == nil {
		r = rt.newRunner()
	}
	c.Codec, c.Position, c.Spend, c.Allocate = r, r.positionFunc, r.spendFunc, r.allocateFunc
	c.Look, c.Extend = r.tickFunc, r.extendFunc
	c.Memory.Pool = rt.Memory
	r.call, r.file, r.given, r.budget, r.body = c, file, b, b, 0
	r.clock.Start(time.Now(), c.Watch)
	r.held, r.paid, r.price, r.priced, r.native = left.held, 0, max(stepPrice, left.price), 0, 0
	r.looked = 0
	r.thread.Steps = 0
	r.until(r.ahead())
	return r
}

// end closes the call and keeps the runner for the next one, unless a panic went through it.
func (rt *Runtime) end(r *runner) {
	r.call.Close()
	r.clock.Stop()
	if r.panicked {
		return
	}
	if r.overrun != "" {
		r.thread.Uncancel()
		r.overrun = ""
	}
	r.call = nil
	rt.idle.Put(r)
}

// look ends the call if a budget is spent, and lets it go on to the next look otherwise.
func (r *runner) look() {
	steps := int64(r.thread.Steps)
	switch {
	case r.overrun != "":
	case r.budget.Steps > 0 && steps >= r.budget.Steps:
		r.stop("steps", runtimes.StepsOver(r.given, r.body))
	case r.memoryOver():
		r.stop("memory", runtimes.MemoryOver(r.given, r.body))
	case r.late():
		r.stop(r.call.Memory.LateOver(r.budget, r.given, r.body))
	default:
		r.share()
	}
	r.looked = r.paid
	r.until(steps + r.ahead())
}

// ahead is how many steps the script may take until the next look.
func (r *runner) ahead() int64 { return r.clock.Ahead(min(slice, 1+bulk/(1+r.held+r.paid))) }

func (r *runner) late() bool { return r.clock.Late(r.budget, &r.call.Memory, r.paid) }

// done looks once more, after the last step: that one may have been a long one. It reports whether a budget is overrun.
func (r *runner) done() bool {
	switch {
	case r.overrun != "":
	case r.memoryOver():
		r.stop("memory", runtimes.MemoryOver(r.given, r.body))
	case r.late():
		r.stop(r.call.Memory.LateOver(r.budget, r.given, r.body))
	}
	return r.overrun != ""
}

// until lets the script run until it has taken that many steps.
func (r *runner) until(steps int64) {
	if r.budget.Steps > 0 {
		steps = min(steps, r.budget.Steps)
	}
	r.thread.SetMaxExecutionSteps(uint64(steps))
}

func (r *runner) stop(budget, message string) {
	r.overrun, r.message = budget, message
	r.thread.Cancel(message)
}

// spend adds the steps that a built-in function stands for.
func (r *runner) spend(steps int64) error {
	r.thread.Steps += uint64(steps)
	r.native += uint64(steps)
	r.look()
	return r.over()
}

// over is the overrun that ended the call, as an error without a place.
func (r *runner) over() error {
	if r.overrun == "" {
		return nil
	}
	return errors.New(r.message)
}

// extend adds what bytes of body earn. Of two bodies the larger one counts.
func (r *runner) extend(bytes int) {
	r.body = max(r.body, bytes)
	r.budget = r.given.ForBody(r.body)
}

// position is where the script stands, seen from a built-in function. Outside of one the line is 0.
func (r *runner) position() (string, int) {
	for depth := range r.thread.CallStackDepth() {
		if pos := r.thread.CallFrame(depth).Pos; inScript(pos) {
			return pos.Filename(), int(pos.Line)
		}
	}
	return r.file, 0
}

// run calls a function of a script. An error is a *engine.ScriptError, which places a panic at the function's definition.
func (r *runner) run(f *sky.Function, args sky.Tuple) (v sky.Value, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = r.trap(at(f.Position(), f.Name()), p)
		}
	}()
	v, err = sky.Call(&r.thread, f, args, nil)
	over := r.done()
	switch {
	case err != nil:
		return nil, r.scriptError(err)
	case over:
		return nil, r.overran(at(f.Position(), ""))
	}
	return v, nil
}

// overran is the error of a budget that is spent, at a place.
func (r *runner) overran(where *engine.ScriptError) *engine.ScriptError {
	where.Message, where.Budget = r.message, r.overrun
	return where
}

// trap is the error of a panic. where has its place, and what panicked as the message.
func (r *runner) trap(where *engine.ScriptError, p any) *engine.ScriptError {
	r.panicked = true
	where.Message, where.Trap = fmt.Sprintf("%s panicked: %v", where.Message, p), true
	return where
}

// invoke calls a function of a test without arguments. The error has no position.
func (r *runner) invoke(f runtimes.Value) error {
	_, err := sky.Call(&r.thread, f.Ref.(sky.Callable), nil, nil)
	return err
}
