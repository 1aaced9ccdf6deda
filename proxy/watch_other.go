//go:build !linux

package proxy

// finished cannot look behind unread bytes here: such a client counts as gone when the next write to it fails.
func finished(int) bool { return false }
