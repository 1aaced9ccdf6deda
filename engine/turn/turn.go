// Package turn is how work that takes long shares the machine with what is short.
package turn

import (
	"os"
	"runtime"
	"sync/atomic"
	"syscall"
	"time"
)

// Yield lets others run before its caller goes on: what is runnable, then whoever the network has something for, then other processes. It
// takes some microseconds where nobody waits. The caller holds no lock.
//
// Gosched alone lets nobody in from the network where all processors have work each that takes long: the scheduler asks the network only
// when it has nothing else to run, and else a monitor asks it each 10 ms.
func Yield() {
	pass()
	schedYield()
}

// pass lets others of this process run.
func pass() {
	taken.Add(1)
	if d := takeDoor(); d != nil {
		d.pass()
		d.leave()
		go func() {}() // wakes who asks the network from now on: who did has gone on with this work
	} else {
		runtime.Gosched()
	}
}

// shift is how long work of many short parts goes on until others run.
const shift = 200 * time.Microsecond

// Shift is work of many short parts that one goroutine does without waiting in between. Its zero value is one that has not begun.
type Shift struct{ began time.Time }

// Part is called after each part.
func (s *Shift) Part() {
	if now := time.Now(); s.began.IsZero() {
		s.began = now
	} else if now.Sub(s.began) > shift {
		Yield()
		s.began = time.Now()
	}
}

var taken atomic.Int64

// Taken is how often this process has yielded.
func Taken() int64 { return taken.Load() }

// doors are those that nobody uses: one for each processor stays open, however many were in use at once.
var doors = make(chan *door, runtime.NumCPU())

// takeDoor is nil where the process may open no more files.
func takeDoor() *door {
	select {
	case d := <-doors:
		return d
	default:
		return newDoor()
	}
}

// leave gives a door to the next.
func (d *door) leave() {
	select {
	case doors <- d:
	default:
		_ = d.in.Close()
		_ = d.out.Close()
	}
}

// door is a pipe. Who writes to it and waits until there is something to read is behind all that the network had ready by then. One
// goroutine uses it at a time.
type door struct {
	out, in  *os.File
	conn     syscall.RawConn // of out
	knocked  bool
	enterFun func(uintptr) bool // enter, made once
}

func newDoor() *door {
	out, in, err := os.Pipe()
	if err != nil {
		return nil
	}
	conn, err := out.SyscallConn()
	if err != nil {
		return nil
	}
	d := &door{out: out, in: in, conn: conn}
	d.enterFun = d.enter
	return d
}

func (d *door) pass() {
	d.knocked = false
	err := d.conn.Read(d.enterFun)
	if err != nil || !d.knocked {
		runtime.Gosched()
		return
	}
	var heard [1]byte
	_, _ = d.out.Read(heard[:])
}

// knock is what is written.
var knock = []byte{0}

// enter knocks, and is called again once that is heard.
func (d *door) enter(uintptr) bool {
	if d.knocked {
		return true
	}
	_, err := d.in.Write(knock)
	d.knocked = err == nil
	return !d.knocked
}
