package proxy

import (
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

// hangups tells which clients closed their side, by one descriptor and one goroutine for all connections: a request costs no system
// call and no timer for it, an open stream no goroutine. Under TLS a client may say goodbye without closing, which only a peeker sees.
// The zero value is ready.
type hangups struct {
	mu      sync.Mutex
	file    *os.File // the epoll instance, for which Go's own poller waits; nil = not made yet
	raw     syscall.RawConn
	done    chan struct{}
	last    uint64
	watched map[uint64]*hangup
}

// hangup is the watcher of one connection.
type hangup struct {
	all   *hangups
	token uint64

	mu    sync.Mutex
	left  bool        // the client closed its side; guarded by mu
	of    *life       // nil = no exchange is watched; guarded by mu
	timer *time.Timer // guarded by mu
}

// watch makes the watcher of a connection, nil where that cannot be.
func (h *hangups) watch(nc net.Conn) watcher {
	tcp, ok := nc.(*net.TCPConn)
	if !ok {
		return nil
	}
	conn, err := tcp.SyscallConn()
	if err != nil {
		return nil
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.file == nil && !h.open() {
		return nil
	}
	h.last++
	w := &hangup{all: h, token: h.last}
	event := syscall.EpollEvent{Events: syscall.EPOLLRDHUP | 1<<31, Fd: int32(w.token), Pad: int32(w.token >> 32)} // 1<<31: EPOLLET
	failed := conn.Control(func(fd uintptr) {
		err = h.raw.Control(func(ep uintptr) { err = syscall.EpollCtl(int(ep), syscall.EPOLL_CTL_ADD, int(fd), &event) })
	})
	if failed != nil || err != nil {
		return nil
	}
	h.watched[w.token] = w
	return w
}

// open makes the epoll instance.
func (h *hangups) open() bool {
	fd, err := syscall.EpollCreate1(syscall.EPOLL_CLOEXEC)
	if err != nil {
		return false
	}
	_ = syscall.SetNonblock(fd, true) // so that os takes it into the poller
	h.file = os.NewFile(uintptr(fd), "epoll")
	h.raw, _ = h.file.SyscallConn()
	h.watched, h.done = make(map[uint64]*hangup), make(chan struct{})
	go h.run(h.raw)
	return true
}

// run waits for clients that leave, until close.
func (h *hangups) run(raw syscall.RawConn) {
	defer close(h.done)
	var events [64]syscall.EpollEvent
	_ = raw.Read(func(ep uintptr) bool {
		for {
			n, err := syscall.EpollWait(int(ep), events[:], 0)
			for i := range n {
				h.saw(uint64(uint32(events[i].Pad))<<32 | uint64(uint32(events[i].Fd)))
			}
			if n < len(events) && err != syscall.EINTR {
				return false
			}
		}
	})
}

func (h *hangups) saw(token uint64) {
	h.mu.Lock()
	w := h.watched[token]
	h.mu.Unlock()
	if w == nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.left = true; w.of != nil {
		w.wait()
	}
}

// close ends the goroutine. No connection is watched any more.
func (h *hangups) close() {
	h.mu.Lock()
	file := h.file
	h.mu.Unlock()
	if file != nil {
		_ = file.Close()
		<-h.done
	}
}

// wait gives the answer to a client that closed its side, and may still listen, a moment. It is called with mu held.
func (w *hangup) wait() {
	if w.timer == nil {
		w.timer = time.AfterFunc(watchAfter, w.tell)
		return
	}
	w.timer.Reset(watchAfter)
}

func (w *hangup) tell() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.of != nil {
		w.of.end(errClientGone) // with mu held, for stop
		w.of = nil
	}
}

func (w *hangup) start(of *life) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.of = of; w.left {
		w.wait()
	}
}

func (w *hangup) stop() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.of = nil; w.timer != nil {
		w.timer.Stop()
	}
}

// end forgets the connection, which is closed.
func (w *hangup) end() {
	w.all.mu.Lock()
	defer w.all.mu.Unlock()
	delete(w.all.watched, w.token)
}
