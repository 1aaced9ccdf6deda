//go:build !race

// Under the race detector the ordinary reads and writes run: it knows those as what orders two goroutines.

package proxy

import (
	"io"
	"net"
	"os"
	"syscall"
	"unsafe"
)

// socket is a TCP connection that is read and written without telling the scheduler of each system call. None of them waits: the
// socket is non-blocking, and while it is not ready the goroutine is parked by the poller as ever, deadlines included. A call that the
// scheduler knows of has it take the processor away in the middle of a long send, and wake another thread for it. One goroutine reads
// and one writes at a time.
type socket struct {
	net.Conn
	raw     syscall.RawConn
	in, out transfer
	taking  func(fd uintptr) bool // take
	taken   *[]byte               // what take read into
	asking  func(fd uintptr) bool // ask
	asked   bool                  // what is out went out, or was to
	silent  bool                  // nothing was there to be read before
	byte    [1]byte               // what is looked at
}

// transfer is a read or a write that runs, and the function for it, which is made once.
type transfer struct {
	p     []byte
	done  int
	errno syscall.Errno
	step  func(fd uintptr) bool // reports whether it is over
	pause func()                // called before it waits; nil = nobody wants to know
}

// newSocket makes a socket of a TCP connection; any other stays as it is.
func newSocket(nc net.Conn) net.Conn {
	tcp, ok := nc.(*net.TCPConn)
	if !ok {
		return nc
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return nc
	}
	s := &socket{Conn: nc, raw: raw}
	s.in.step, s.out.step, s.asking, s.taking = s.in.receive, s.out.send, s.ask, s.take
	return s
}

func (s *socket) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	t := &s.in
	err := t.run(s.raw.Read, p, "read")
	if err == nil && t.done == 0 {
		err = io.EOF
	}
	return t.done, err
}

// fill is filler's.
func (s *socket) fill() (buf *[]byte, n int, err error) {
	t := &s.in
	t.done, t.errno = 0, 0
	err = s.raw.Read(s.taking)
	if buf, s.taken = s.taken, nil; t.done > 0 {
		return buf, t.done, nil
	}
	switch {
	case err != nil:
	case t.errno != 0:
		err = os.NewSyscallError("read", t.errno)
	default:
		err = io.EOF
	}
	if buf != nil {
		inboxBuffers.Put(buf)
	}
	return nil, 0, err
}

// take reads into a buffer that it has only while something is there.
func (s *socket) take(fd uintptr) bool {
	t := &s.in
	s.taken = inboxBuffers.Get().(*[]byte)
	t.p = *s.taken
	over := t.receive(fd)
	if t.p = nil; !over {
		inboxBuffers.Put(s.taken)
		s.taken = nil
	}
	return over
}

func (s *socket) Write(p []byte) (int, error) {
	err := s.out.run(s.raw.Write, p, "write")
	return s.out.done, err
}

// Ask is asker's.
func (s *socket) Ask(p []byte) (int, error) {
	t := &s.out
	t.p, t.done, t.errno, s.asked, s.silent = p, 0, 0, false, true
	err := s.raw.Read(s.asking)
	t.p = nil
	switch {
	case !s.silent:
		return 0, errNotQuiet
	case t.errno != 0:
		return t.done, os.NewSyscallError("write", t.errno)
	case s.asked: // what ended the wait ends the next Read too
		return t.done, nil
	}
	return 0, err
}

// ask looks, writes, and has the poller wait: in this order, for the poller tells once of what comes, from before the look on.
func (s *socket) ask(fd uintptr) bool {
	if s.asked {
		return true
	}
	s.asked = true
	if s.silent = silent(fd, &s.byte); !s.silent {
		return true
	}
	s.out.send(fd)
	return s.out.done < len(s.out.p)
}

// pauses is pauser's.
func (s *socket) pauses(read, write func()) { s.in.pause, s.out.pause = read, write }

// run waits for the transfer of p in one direction.
func (t *transfer) run(wait func(func(uintptr) bool) error, p []byte, what string) error {
	t.p, t.done, t.errno = p, 0, 0
	err := wait(t.step)
	t.p = nil // a connection that waits holds nothing of its last exchange
	if err == nil && t.errno != 0 {
		err = os.NewSyscallError(what, t.errno)
	}
	return err
}

// receive takes what is there.
func (t *transfer) receive(fd uintptr) bool {
	n, again := t.call(syscall.SYS_READ, fd, t.p)
	if t.done = n; again {
		t.waits()
	}
	return !again
}

// send writes until all is written or the socket takes no more.
func (t *transfer) send(fd uintptr) bool {
	for t.done < len(t.p) {
		n, again := t.call(syscall.SYS_WRITE, fd, t.p[t.done:])
		if t.done += n; again {
			t.waits()
			return false
		}
		if t.errno != 0 {
			return true
		}
	}
	return true
}

// waits is called before the transfer waits: its bound may be set now.
func (t *transfer) waits() {
	if t.pause != nil {
		t.pause()
	}
}

// silent reports whether there is nothing to read, neither bytes nor the end of them.
func silent(fd uintptr, look *[1]byte) bool {
	_, _, errno := syscall.RawSyscall6(syscall.SYS_RECVFROM, fd, uintptr(unsafe.Pointer(look)), 1, syscall.MSG_PEEK|syscall.MSG_DONTWAIT, 0, 0)
	return errno == syscall.EAGAIN
}

// call makes one system call; again = the socket is not ready.
func (t *transfer) call(number, fd uintptr, p []byte) (n int, again bool) {
	for {
		r, _, errno := syscall.RawSyscall(number, fd, uintptr(unsafe.Pointer(&p[0])), uintptr(len(p)))
		switch errno {
		case 0:
			return int(r), false
		case syscall.EINTR:
		case syscall.EAGAIN:
			return 0, true
		default:
			t.errno = errno
			return 0, false
		}
	}
}
