package runtimes

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync"
	"time"
	"weak"

	"sluice/engine/body"
)

// The process seldom collects garbage while calls hold much. It would walk what they hold whenever that has doubled, on each processor that
// is idle, and others would wait behind it. A large call ends soon, and leaves all that it held at once.
const (
	// seldom is GOGC meanwhile: what bounds the process then is how much memory it may take.
	seldom = 10_000
	// spare is what the process may take beside what it needs anyway and what large calls hold, in bytes: what they may leave uncollected,
	// what others allocate meanwhile, and what a script takes above its price.
	spare = 40 << 20
	// least is what it may take for large calls at first, in bytes: as much as one has by default.
	least = 64 << 20
	// stride is the step in which it may take more, in bytes.
	stride = 8 << 20
	// litter is how much large calls may leave uncollected, in bytes.
	litter = 32 << 20
	// settled is how long no large call has run when the process collects as usual again. Until then it keeps the memory that the next one
	// would have to ask the system for.
	settled = 2 * time.Second
	// retried is how long a collection is waited for until it is begun anew.
	retried = 10 * time.Millisecond
	// smallest is what the runtime lets a process have by a GOGC of 100, in bytes.
	smallest = 4 << 20
)

// garbage is how this process collects.
var garbage collector

// collector puts off collecting while large calls run. It may be used by many goroutines.
type collector struct {
	mu      sync.Mutex
	calls   int                    // large ones; guarded by mu
	held    int64                  // bytes, by those; guarded by mu
	since   weak.Pointer[[64]byte] // garbage, from a moment at which one began or ended; guarded by mu
	at      uint64                 // bytes that the process had ever allocated at that moment; guarded by mu
	left    int64                  // bytes that the one held that ended then; guarded by mu
	off     bool                   // collecting is put off, until resume; guarded by mu
	settle  *time.Timer            // calls resume; nil = no large call has ended yet; guarded by mu
	percent int                    // GOGC, when it is not; guarded by mu
	limit   int64                  // GOMEMLIMIT, when it is not, in bytes; guarded by mu
	calm    int64                  // bytes that the process needs beside large calls, as far as is known; guarded by mu
	live    int64                  // bytes that the last collection found needed, when calm was known; guarded by mu
	room    int64                  // bytes that it may take for large calls; guarded by mu
}

// putOff puts off collecting: a call has become large, and holds so many bytes.
func (c *collector) putOff(held int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.calls++; c.calls == 1 {
		c.notice(held)
	}
	c.held += held
	c.follow()
	c.mark(0)
}

// notice has others hold more beside large calls than when collecting was put off, if a collection has found that while no large call ran.
// The process would collect it again and again. It is called with mu held, before a call that holds so many bytes.
func (c *collector) notice(held int64) {
	if more := liveThen() - held - c.live; c.off && c.since.Value() == nil && more > 0 {
		c.calm += more
		c.live += more
		c.room = 0 // which has the limit follow
	}
}

// more is told that a large call holds so many bytes more.
func (c *collector) more(bytes int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.held += bytes
	c.follow()
}

// ended is told that a large call has ended, which held so many bytes. They are collected by the next collect, and hardly before.
func (c *collector) ended(bytes int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.calls--
	c.held -= bytes
	c.mark(bytes)
	if c.calls == 0 {
		c.room = 0 // the next one takes what it needs
	}
	if c.settle == nil {
		c.settle = time.AfterFunc(settled, c.resume)
	} else {
		c.settle.Reset(settled)
	}
}

// mark has what is garbage be counted from now on, unless it is already: after a collection, which found that a call that ends now needed
// what it held. It is called with mu held.
func (c *collector) mark(left int64) {
	if c.since.Value() == nil {
		c.since, c.at, c.left = weak.Make(new([64]byte)), allocated(), left
	}
}

// grown is how many bytes were allocated since the last collection, as far as they are counted. It is called with mu held.
func (c *collector) grown() int64 {
	if c.since.Value() == nil {
		return 0
	}
	return int64(allocated() - c.at)
}

// uncollected is how many bytes there may be to collect. It is called with mu held.
func (c *collector) uncollected() int64 {
	if c.since.Value() == nil {
		return 0
	}
	return c.left + c.grown()
}

// follow lets the process take as much as large calls need without collecting. It is called with mu held.
func (c *collector) follow() {
	if !c.off {
		left := min(litter, c.uncollected()) // more of it was only asked for, or it would be collected
		c.off, c.room, c.calm = true, 0, inUse()-max(garbageNow(), left)
		c.live = liveThen()
		c.percent, c.limit = debug.SetGCPercent(seldom), debug.SetMemoryLimit(-1)
		if c.percent < 0 { // it collects by its limit alone as it is
			debug.SetGCPercent(c.percent)
		}
	}
	if c.percent >= 0 && c.held >= c.room {
		c.room = max(least, c.held/stride*stride+stride)
		debug.SetMemoryLimit(min(c.limit, max(c.calm+spare+c.room, taken())))
	}
}

// collect collects what large calls left, if it is much, beside all that runs, and waits until that is done. It reports false when it is
// over before.
func (c *collector) collect(over time.Time) bool {
	late := time.Now().Add(untilOver(over))
	for try := 0; c.littered(); try++ {
		before := collections()
		if !c.begin(try) {
			return true
		}
		for again := time.Now().Add(retried); collections() == before && time.Now().Before(again); {
			if time.Now().After(late) {
				return false
			}
			time.Sleep(200 * time.Microsecond)
		}
	}
	return true
}

// littered reports whether there may be much to collect.
func (c *collector) littered() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.uncollected() > litter
}

// begin begins a collection, unless one is under way. It reports false where the process is not to collect. What runtime.GC does beyond that
// keeps others from running: it frees all at once, where else whoever allocates frees as much as it needs.
func (c *collector) begin(try int) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	low := 0
	if try == 0 { // a GOGC of 0 would begin another, were this one done by the time it is as it was
		low = int(c.grown() / 2 * 100 / max(smallest, liveThen()))
	}
	percent := debug.SetGCPercent(low)
	defer debug.SetGCPercent(percent)
	if percent >= 0 {
		runtime.KeepAlive(body.Room(2 << 20)) // for a large object the process looks whether it is to collect: after 1 MiB more it is
	}
	return percent >= 0
}

// resume ends that collecting is put off, unless large calls run again.
func (c *collector) resume() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.off && c.calls == 0 {
		c.off = false
		debug.SetGCPercent(c.percent)
		debug.SetMemoryLimit(c.limit)
	}
}

// collections is how often the process has collected.
func collections() uint64 { return metric("/gc/cycles/total:gc-cycles") }

// garbageNow is how many bytes were allocated since the last collection, and not freed.
func garbageNow() int64 {
	return int64(metric("/memory/classes/heap/objects:bytes")) - liveThen()
}

// liveThen is how many bytes the last collection found needed.
func liveThen() int64 { return int64(metric("/gc/heap/live:bytes")) }

// allocated is how many bytes the process has ever allocated.
func allocated() uint64 { return metric("/gc/heap/allocs:bytes") }

// taken is how many bytes of the machine's memory the process has.
func taken() int64 {
	return int64(metric("/memory/classes/total:bytes") - metric("/memory/classes/heap/released:bytes"))
}

// inUse is how many of those it uses.
func inUse() int64 { return taken() - int64(metric("/memory/classes/heap/free:bytes")) }

func metric(name string) uint64 {
	s := [1]metrics.Sample{{Name: name}}
	metrics.Read(s[:])
	return s[0].Value.Uint64()
}
