package starlark

import (
	"fmt"

	"sluice/engine"

	sky "go.starlark.net/starlark"
)

// maxValue bounds what one step may allocate where the budget does not.
const maxValue = 256 << 20

// leftover is what the top level of a script leaves to its calls.
type leftover struct {
	held  int64 // bytes that it allocated
	price int64 // of a step: it may have made wide integers
}

// memoryOver reports whether the call has allocated more than it may. It brings paid up to date.
func (r *runner) memoryOver() bool {
	r.pay()
	return r.budget.Memory > 0 && r.paid > r.budget.Memory
}

// allocated is how many bytes the call has allocated so far.
func (r *runner) allocated() int64 {
	r.pay()
	return r.paid
}

// share takes what the call has allocated out of what all calls may hold together, and ends the call where that is not to be had.
func (r *runner) share() {
	if !r.call.Memory.Short(r.paid) {
		return
	}
	if err := r.call.Memory.Cover(r.paid, r.clock.Over(r.budget)); err != nil {
		r.stop(engine.BudgetTotalMemory, err.Error())
	}
}

// pay charges the steps since the last time.
func (r *runner) pay() {
	r.paid += int64(r.thread.Steps-r.priced-r.native) * r.price
	r.priced, r.native = r.thread.Steps, 0
}

// allocate charges bytes that a built-in function is about to allocate. An error is the call's end, or a value that no budget allows.
func (r *runner) allocate(bytes int64) error {
	if bytes > maxValue && r.budget.Memory <= 0 {
		return fmt.Errorf("a value of %d bytes, want at most %d", bytes, maxValue)
	}
	if r.paid += bytes; r.paid-r.looked > bulk/slice {
		r.look()
	}
	return r.over()
}

// Bounds of what one step makes or walks over. While native code moves such a piece of memory, the scheduler cannot stop it, and whoever
// collects garbage waits for it on a processor that others wait for.
const (
	maxCount = 1 << 17  // elements: the largest list of the API is the 100,000 requests of a batch
	maxText  = 16 << 20 // bytes
)

// bounded refuses a list, or what a step walks over, of too many elements.
func bounded(n int) error {
	if n > maxCount {
		return fmt.Errorf("a sequence of %d elements, want at most %d", n, maxCount)
	}
	return nil
}

// work charges a walk over n elements that allocates so many bytes for each.
func (r *runner) work(n int, bytes int64) error {
	if err := bounded(n); err != nil {
		return err
	}
	if err := r.spend(int64(n) / 2); err != nil {
		return err
	}
	return r.allocate(int64(n) * bytes)
}

// workOver is work over the elements of an iterable. Of any other value it charges nothing.
func (r *runner) workOver(v sky.Value, bytes int64) error {
	n, err := r.count(v)
	if err != nil || n <= 0 {
		return err
	}
	return r.work(n, bytes)
}

// makeText charges a text that a step makes, for which it allocates so many bytes.
func (r *runner) makeText(size, bytes int64) error {
	if err := r.allocate(bytes); err != nil || size <= maxText {
		return err
	}
	return fmt.Errorf("a text of %d bytes, want at most %d MiB", size, maxText>>20)
}

// widen makes each further step pay for integers of so many bits: the interpreter makes them in steps that are not guarded as well.
func (r *runner) widen(bits int) {
	if price := int64(bits/24 + stepPrice); price > r.price {
		r.pay()
		r.price = price
	}
}
