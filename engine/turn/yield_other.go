//go:build !linux

package turn

// schedYield does nothing: other systems preempt.
func schedYield() {}
