//go:build !linux

package runtimes

// yield does nothing: other systems preempt.
func yield() {}
