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
	spare = 32 << 20
	// least is what it may take for large calls at first, in bytes: as much as one has by default.
	least = 64 << 20
	// stride is the step in which it may take more, in bytes.
	stride = 8 << 20
	// litter is how much large calls may leave uncollected, in bytes.
	litter = 32 << 20
	// settled is how long no large call has run when the process collects as usual again. Until then it keeps the memory that the next one
	// would have to ask the system for.
	settled = 2 * time.Second
	// longest is how long one collection is waited for.
	longest = time.Second
)

// garbage is how this process collects.
var garbage collector

// collector puts off collecting while large calls run. It may be used by many goroutines.
type collector struct {
	mu      sync.Mutex
	calls   int                    // large ones; guarded by mu
	held    int64                  // bytes, by those; guarded by mu
	left    int64                  // bytes that ended ones held, as long as since is not collected; guarded by mu
	since   weak.Pointer[[64]byte] // garbage from the end of the last one on; guarded by mu
	off     bool                   // collecting is put off, until resume; guarded by mu
	settle  *time.Timer            // calls resume; nil = no large call has ended yet; guarded by mu
	percent int                    // GOGC, when it is not; guarded by mu
	limit   int64                  // GOMEMLIMIT, when it is not, in bytes; guarded by mu
	calm    int64                  // bytes that the process needs beside large calls, as far as is known; guarded by mu
	live    int64                  // bytes that the last collection found needed, when calm was known; guarded by mu
	room    int64                  // bytes that it may take for large calls; guarded by mu
	before  uint64                 // collections before the first of the large calls that run; guarded by mu
}

// putOff puts off collecting: a call has become large, and holds so many bytes.
func (c *collector) putOff(held int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.calls++; c.calls == 1 {
		c.before = collections()
		c.notice(held)
	}
	c.held += held
	c.follow()
}

// notice has others hold more beside large calls than when collecting was put off, if a collection has found that since the last of those
// ended. The process would collect it again and again. It is called with mu held, before a call that holds so many bytes.
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
	c.left = c.uncollected() + bytes
	c.since = weak.Make(new([64]byte))
}

// uncollected is what of left is not collected. It is called with mu held.
func (c *collector) uncollected() int64 {
	if c.since.Value() == nil {
		return 0
	}
	return c.left
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

// collect collects what large calls left, if it is much, beside all that runs, and waits until that is done.
func (c *collector) collect() {
	for late := time.Now().Add(longest); c.littered() && time.Now().Before(late); {
		before := collections()
		if !c.begin() {
			break
		}
		for collections() == before && time.Now().Before(late) {
			time.Sleep(time.Millisecond)
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.calls == 0 {
		c.room = 0 // the next one takes what it needs
	}
	if c.settle == nil {
		c.settle = time.AfterFunc(settled, c.resume)
	} else {
		c.settle.Reset(settled)
	}
}

// littered reports whether large calls may have left much. Many are ended before they allocate what they asked for: what was allocated
// since the last collection is theirs, and what they held then.
func (c *collector) littered() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.uncollected() > litter && (collections() != c.before || garbageNow() > litter)
}

// begin begins a collection, unless one is under way. It reports false where the process is not to collect. What runtime.GC does beyond that
// keeps others from running: it frees all at once, where else whoever allocates frees as much as it needs.
func (c *collector) begin() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	percent := debug.SetGCPercent(0)
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
