package proxy

import "syscall"

// finished reports whether the client closed its side, or reset the connection, behind bytes that nobody read yet.
func finished(fd int) bool {
	const closed, closeWait = 7, 8 // the first byte of struct tcp_info is the state of the connection
	info, err := syscall.GetsockoptInt(fd, syscall.IPPROTO_TCP, syscall.TCP_INFO)
	state := info & 0xff
	return err == nil && (state == closed || state == closeWait)
}
