package proxy

import "syscall"

// finished reports whether the client closed its side behind bytes that nobody read yet.
func finished(fd int) bool {
	const closeWait = 8 // the first byte of struct tcp_info is the state of the connection
	info, err := syscall.GetsockoptInt(fd, syscall.IPPROTO_TCP, syscall.TCP_INFO)
	return err == nil && info&0xff == closeWait
}
